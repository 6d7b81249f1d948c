"""What two sides must agree on.

The rule of admission: two services, or a service and a simulator, import it, or it does not belong
here.
"""

"""Every exception of ours, in one tree.

CallfleetError
├── Ending                  a call's expected end, not a fault
│   ├── AtCapacity          the org's or the agent's limit is reached
│   ├── NoWorker            nobody alive with room for the call
│   └── CallEnded           the call is already over
└── Fault                   something broke: `whose`, and whether trying `again` can help
    ├── ConfigFault         whose=operator   callfleet.yaml or the environment is wrong
    ├── PortTaken           whose=operator   somebody else listens where we should
    ├── CallerFault         whose=caller     the leg sent what no carrier sends
    ├── LinkFault           whose=link       the gateway-worker connection broke or lied
    ├── SessionFault        whose=session    the Realtime API
    │   └── SessionRefused                   ... said no for good: key, quota, model
    ├── StoreFault          whose=store      Redis or the database; again=True
    ├── SealBroken          whose=store      what was stored sealed is damaged, swapped or cut
    │   └── KeyMissing      whose=operator   ... or was sealed under a key that is not on the ring
    ├── SlotLost            whose=ourselves  somebody adopted the call after us: stop, write nothing
    └── ModelFault          whose=model      the scoring API
        └── ModelRefused                     ... will not answer this one, ever

A docstring is the default message. Translation to a close code, an `EndReason` and a metric happens
once, in a table at each service's boundary.
"""

from typing import ClassVar


class CallfleetError(Exception):
    """Something Callfleet knows the name of went wrong."""

    again: ClassVar[bool] = False  # can trying again help?

    def __init__(self, message: str = "") -> None:
        super().__init__(message or (type(self).__doc__ or "").strip())


class Ending(CallfleetError):
    """The call ends here, as calls may."""


class AtCapacity(Ending):
    """Every slot is taken."""

    again = True


class NoWorker(Ending):
    """No live worker has room."""

    again = True


class CallEnded(Ending):
    """The call is already over."""


class Fault(CallfleetError):
    """Something broke."""

    whose: ClassVar[str] = "ourselves"


class ConfigFault(Fault):
    """The configuration is wrong."""

    whose = "operator"

    def __init__(self, mistakes: list[str]) -> None:
        self.mistakes = mistakes
        super().__init__("\n".join(mistakes))


class PortTaken(Fault):
    """The port is in use."""

    whose = "operator"


class CallerFault(Fault):
    """The leg sent what its protocol does not allow."""

    whose = "caller"


class LinkFault(Fault):
    """The link between gateway and worker broke."""

    whose = "link"
    again = True


class SessionFault(Fault):
    """The Realtime session broke."""

    whose = "session"
    again = True


class SessionRefused(SessionFault):
    """The Realtime API refused the session for good."""

    again = False


class StoreFault(Fault):
    """Redis or the database did not answer."""

    whose = "store"
    again = True


class SealBroken(Fault):
    """What was stored sealed cannot be opened: damaged, swapped or cut."""

    whose = "store"


class KeyMissing(SealBroken):
    """Sealed under a key that is not in CALLFLEET_ENCRYPTION_KEYS; put the old key back last."""

    whose = "operator"


class SlotLost(Fault):
    """Somebody else adopted the call's slot."""


class ModelFault(Fault):
    """The scoring model did not answer usefully."""

    whose = "model"
    again = True

    def __init__(self, message: str = "", *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s  # the API's own hint, when it gave one


class ModelRefused(ModelFault):
    """The scoring model will not judge this call."""

    again = False

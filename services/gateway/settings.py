"""The gateway's knobs."""

from dataclasses import dataclass

from callfleet.settings import ServiceSettings, knob, origin, port


@dataclass(frozen=True, kw_only=True)
class GatewaySettings(ServiceSettings):
    """Where the gateway listens, and who it is to the carrier."""

    public_url: str = knob(
        "PUBLIC_URL",
        parse=origin,
        help="What carriers sign and dial, e.g. https://voice.example.com.",
    )
    twilio_auth_token: str = knob(
        "TWILIO_AUTH_TOKEN", secret=True, help="Verifies that a webhook comes from Twilio."
    )
    host: str = knob(
        "CALLFLEET_GATEWAY_HOST",
        "0.0.0.0",  # noqa: S104 # carriers come from outside
        help="Where webhooks and media sockets listen.",
    )
    port: int = knob(
        "CALLFLEET_GATEWAY_PORT", 8080, parse=port, help="Port of webhooks and media sockets."
    )

"""Where the Realtime API is, and who we are to it. Pure.

Azure OpenAI speaks the same protocol, names the model after the deployment and takes the key in a
header of its own.
"""

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from yarl import URL

_AZURE: Final = (
    ".openai.azure.com",
    ".openai.azure.us",
    ".cognitiveservices.azure.com",
    ".services.ai.azure.com",
)


@dataclass(frozen=True, slots=True, repr=False)
class Endpoint:
    """Where the API is and who we are to it."""

    url: str
    api_key: str

    def address(self, model: str) -> URL:
        return URL(self.url).update_query(model=model)

    def headers(self) -> dict[str, str]:
        host = urlsplit(self.url).hostname or ""
        if host.endswith(_AZURE):
            return {"api-key": self.api_key}
        return {"Authorization": f"Bearer {self.api_key}"}

"""TwiML as Twilio reads it: a document in, verbs to perform and warnings out. Pure.

What the schema does not know is a warning (12200) and is left out, as at Twilio; what cannot be
read at all is an error that ends in the fallback URL or in "an application error has occurred".
Callers of this module record every warning as a violation: a product that depends on the carrier's
leniency is wrong.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlsplit
from xml.etree import ElementTree

from simulators.phone_schema import ELEMENTS, NOT_PLAYED

LIMIT_BYTES = 64 * 1024
_XML = ("text/xml", "application/xml")
Method = Literal["GET", "POST"]


@dataclass(frozen=True, slots=True)
class Say:
    text: str
    loop: int = 1


@dataclass(frozen=True, slots=True)
class Play:
    url: str
    digits: str = ""
    loop: int = 1


@dataclass(frozen=True, slots=True)
class Pause:
    length_s: int = 1


@dataclass(frozen=True, slots=True)
class Hangup:
    pass


@dataclass(frozen=True, slots=True)
class Reject:
    reason: str = "rejected"


@dataclass(frozen=True, slots=True)
class Redirect:
    url: str
    method: Method = "POST"


@dataclass(frozen=True, slots=True)
class Stream:
    url: str
    name: str = ""
    track: str = "inbound_track"
    status_callback: str = ""
    status_callback_method: Method = "POST"
    parameters: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Connect:
    stream: Stream
    action: str = ""
    method: Method = "POST"


@dataclass(frozen=True, slots=True)
class Dial:
    addresses: tuple[str, ...]
    action: str = ""
    method: Method = "POST"
    timeout_s: int = 30
    time_limit_s: int = 14400
    caller_id: str = ""


Verb = Say | Play | Pause | Hangup | Reject | Redirect | Connect | Dial


@dataclass(frozen=True, slots=True)
class Document:
    verbs: tuple[Verb, ...]
    warnings: tuple[str, ...] = ()


class TwimlError(Exception):
    """The document cannot be performed at all."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


def read_document(body: bytes, content_type: str) -> Document:
    """The verbs of a TwiML answer, or `TwimlError` with the carrier's error code."""
    if content_type.partition(";")[0].strip().lower() not in _XML:
        raise TwimlError(12300, f"Content-Type {content_type!r} is not XML")
    if len(body) > LIMIT_BYTES:
        raise TwimlError(11750, f"the TwiML is {len(body)} bytes, more than {LIMIT_BYTES}")
    if b"<!DOCTYPE" in body or b"<!ENTITY" in body:
        raise TwimlError(12100, "the TwiML declares a document type")
    try:
        root = ElementTree.fromstring(body)  # noqa: S314 - nothing that can expand gets here
    except (ElementTree.ParseError, LookupError, ValueError) as error:
        raise TwimlError(12100, f"the TwiML cannot be parsed: {error}") from None
    if root.tag != "Response":
        raise TwimlError(12102, f"the root element is <{root.tag}>, not <Response>")
    return _Reader().read(root)


def stream_url_fault(url: str) -> tuple[int, str] | None:
    """Why Twilio would not open this stream URL, as (error code, reason)."""
    parts = urlsplit(url)
    if not parts.hostname:
        return 31920, f"the stream url {url!r} is not absolute"
    if parts.scheme != "wss":
        return 31922, f"the stream url {url!r} is not wss"
    if parts.query:
        return 31920, f"the stream url {url!r} has a query string"
    try:
        port = parts.port
    except ValueError:
        return 31920, f"the stream url {url!r} has no valid port"
    if port not in (None, 443):
        return 31920, f"the stream url {url!r} is not on port 443"
    return None


class _Reader:
    """Walks one document and collects what the schema does not allow."""

    def __init__(self) -> None:
        self.warnings: list[str] = []
        self._verbs: Mapping[str, Callable[[ElementTree.Element], Verb | None]] = {
            "Say": self._say,
            "Play": self._play,
            "Pause": self._pause,
            "Hangup": self._hangup,
            "Reject": self._reject,
            "Redirect": self._redirect,
            "Connect": self._connect,
            "Dial": self._dial,
        }

    def read(self, root: ElementTree.Element) -> Document:
        verbs = []
        for element in self._children(root):
            if element.tag in NOT_PLAYED:
                self._warn(f"<{element.tag}> is not something this carrier performs")
            elif verb := self._verbs[element.tag](element):
                verbs.append(verb)
        return Document(tuple(verbs), tuple(self.warnings))

    def _warn(self, text: str) -> None:
        self.warnings.append(f"12200 {text}")

    def _children(self, element: ElementTree.Element) -> list[ElementTree.Element]:
        """The children the schema allows here; the attributes are checked on the way."""
        schema = ELEMENTS[element.tag]
        for name, value in element.attrib.items():
            allowed = schema.attributes.get(name)
            if allowed is None:
                self._warn(f"attribute '{name}' is not allowed to appear in <{element.tag}>")
            elif not allowed(value):
                self._warn(f"value '{value}' of '{name}' is not valid for <{element.tag}>")
        if not schema.text and "".join([element.text or "", *_tails(element)]).strip():
            self._warn(f"<{element.tag}> cannot have text content")
        kept = []
        for child in element:
            if child.tag in schema.children:
                kept.append(child)
            else:
                self._warn(f"invalid content was found in <{element.tag}>: <{child.tag}>")
        return kept

    def _attribute(self, element: ElementTree.Element, name: str, default: str = "") -> str:
        value = element.attrib.get(name)
        if value is None or not ELEMENTS[element.tag].attributes[name](value):
            return default
        return value

    def _number(self, element: ElementTree.Element, name: str, default: int) -> int:
        return int(self._attribute(element, name, str(default)))

    def _method(self, element: ElementTree.Element, name: str = "method") -> Method:
        return "GET" if self._attribute(element, name, "POST").upper() == "GET" else "POST"

    def _say(self, element: ElementTree.Element) -> Verb | None:
        for child in self._children(element):
            self._children(child)
        text = " ".join("".join(element.itertext()).split())
        if not text:
            self._warn("<Say> has nothing to say")
            return None
        return Say(text, self._number(element, "loop", 1))

    def _play(self, element: ElementTree.Element) -> Verb | None:
        self._children(element)
        url, digits = (element.text or "").strip(), self._attribute(element, "digits")
        if not url and not digits:
            self._warn("<Play> has neither a URL nor digits")
            return None
        return Play(url, digits, self._number(element, "loop", 1))

    def _pause(self, element: ElementTree.Element) -> Verb:
        self._children(element)
        return Pause(self._number(element, "length", 1))

    def _hangup(self, element: ElementTree.Element) -> Verb:
        self._children(element)
        return Hangup()

    def _reject(self, element: ElementTree.Element) -> Verb:
        self._children(element)
        return Reject(self._attribute(element, "reason", "rejected"))

    def _redirect(self, element: ElementTree.Element) -> Verb:
        self._children(element)
        return Redirect((element.text or "").strip(), self._method(element))

    def _connect(self, element: ElementTree.Element) -> Verb | None:
        nouns = self._children(element)
        if len(nouns) != 1:
            self._warn(f"<Connect> has {len(nouns)} nouns, not one")
            return None
        stream = self._stream(nouns[0])
        return Connect(stream, self._attribute(element, "action"), self._method(element))

    def _stream(self, element: ElementTree.Element) -> Stream:
        parameters: dict[str, str] = {}
        for child in self._children(element):
            self._children(child)
            name, value = child.get("name"), child.get("value")
            if not name or value is None:
                self._warn("<Parameter> needs a name and a value")
            elif len(name) + len(value) >= 500:
                self._warn(f"<Parameter> '{name[:40]}' and its value have 500 characters or more")
            else:
                parameters[name] = value
        return Stream(
            url=element.get("url", "").strip(),
            name=self._attribute(element, "name"),
            track=element.get("track", "inbound_track"),
            status_callback=self._attribute(element, "statusCallback"),
            status_callback_method=self._method(element, "statusCallbackMethod"),
            parameters=parameters,
        )

    def _dial(self, element: ElementTree.Element) -> Verb:
        nouns = self._children(element)
        for noun in nouns:
            self._children(noun)
        written = [element.text or "", *((noun.text or "") for noun in nouns)]
        return Dial(
            addresses=tuple(address.strip() for address in written if address.strip()),
            action=self._attribute(element, "action"),
            method=self._method(element),
            timeout_s=self._number(element, "timeout", 30),
            time_limit_s=self._number(element, "timeLimit", 14400),
            caller_id=self._attribute(element, "callerId"),
        )


def _tails(element: ElementTree.Element) -> list[str]:
    return [child.tail or "" for child in element]

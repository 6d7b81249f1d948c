"""The lines of the simulated model and what makes it choose them: intents, verticals, phrases."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

BUSINESS_NAME = re.compile(
    r"\b(?:of|for|at|from|called) (?:the )?([A-Z][\w'&-]*(?: (?:(?:and|of|&) )?[A-Z][\w'&-]*)*)"
)
MEMORY = ("my_name", "said_first", "my_booking", "you_said")


@dataclass(frozen=True, slots=True)
class Vertical:
    appointment: str
    prices: str
    hours: str
    question: str


_CLINIC = Vertical(
    appointment="an appointment with the doctor",
    prices="A check-up costs eighty dollars and a cleaning costs one hundred and twenty dollars.",
    hours="We are open Monday to Friday from eight in the morning until six in the evening.",
    question="Have you been a patient with us before?",
)
_ESTATE = Vertical(
    appointment="a viewing of the property",
    prices="The apartment on Mill Street is listed at four hundred and twenty thousand dollars.",
    hours="Our agents show properties every day from nine until seven.",
    question="How many bedrooms are you looking for?",
)
_SALON = Vertical(
    appointment="an appointment with a stylist",
    prices="A haircut costs forty-five dollars and colouring starts at ninety dollars.",
    hours="We are open Tuesday to Saturday from ten until seven.",
    question="Do you have a stylist you prefer?",
)
_OFFICE = Vertical(
    appointment="an appointment",
    prices="Our prices start at fifty dollars.",
    hours="We are open Monday to Friday from nine until five.",
    question="Is there anything else you would like to know?",
)
_VERTICALS: Sequence[tuple[str, Vertical]] = (
    (r"clinic|dental|dentist|doctor|patient|medical|health", _CLINIC),
    (r"real estate|realt|property|properties|apartment|listing|viewing|homes?\b", _ESTATE),
    (r"salon|hair|beauty|spa\b|nail|stylist", _SALON),
)

_INTENTS: Sequence[tuple[str, str]] = (
    ("my_name", r"what(?:'s| is| was) my name|do you (?:know|remember) my name"),
    ("said_first", r"what did i (?:say|ask|tell you) first|first thing i said"),
    ("my_booking", r"(?:what (?:day|time)|when) (?:did|have) i book|when is my (?:app|view|book)"),
    ("you_said", r"what did you (?:just )?say|(?:say|repeat) that(?: again)?\b|repeat your last"),
    (
        "complaint",
        r"angry|unaccept|terrible|awful|ridiculous|complain|furious|upset|worst|refund|disgrace"
        r"|money back|fed up|nobody (?:called|answer)|still waiting|rude",
    ),
    ("price", r"how much|price|cost|fee\b|charge|expensive|rates?\b"),
    (
        "hours",
        r"opening hours|what hours|when (?:are|do) you (?:open|close)|open (?:on|until|today)",
    ),
    ("goodbye", r"good ?bye|\bbye\b|that(?:'s| is| will be| would be) all|have a (?:nice|good) d"),
    (
        "booking",
        r"\bbook|appointment|schedule|viewing|reserv|come in|haircut|cleaning"
        r"|(?:mon|tues|wednes|thurs|fri|satur|sun)day|tomorrow|my name is",
    ),
    ("thanks", r"\bthank|\bthanks|appreciate"),
    ("human", r"human|real person|representative|speak to (?:some|a )|manager"),
    ("greeting", r"\b(?:hello|hi|hey|good (?:morning|afternoon|evening))\b"),
)
_COMPILED = [(name, re.compile(pattern, re.IGNORECASE)) for name, pattern in _INTENTS]

ADVICE: Mapping[str, str] = {
    "still there": "Sorry, are you still there?",
    "goodbye": "I have to end this call now. Goodbye!",
    "cannot help": "I am sorry, I cannot help with that. What else can I do for you?",
    "say it once more": "I am sorry, I did not catch that. Could you say it again?",
}
LINES: Mapping[str, Sequence[str]] = {
    "greeting": (
        "Hello, this is {place}. How can I help you today?",
        "Thank you for calling {place}. What can I do for you?",
        "Hi there, you have reached {place}. How may I help?",
    ),
    "booking": ("",),
    "price": ("{prices} {question}", "Of course. {prices} Would you like to book?"),
    "hours": ("{hours} When would you like to come?", "{hours} {question}"),
    "complaint": (
        "I am very sorry about that. I understand you are upset. What can I do to put it right?",
        "I apologise, that should not have happened. May I take down the details for you?",
    ),
    "thanks": (
        "You are very welcome. Is there anything else I can do for you?",
        "My pleasure. Can I help you with anything else?",
    ),
    "human": ("I understand, I will note that you want a colleague. What is it about?",),
    "goodbye": (
        "Thank you for calling {place}. Goodbye!",
        "Goodbye, and have a lovely day!",
    ),
    "unheard": (
        "I am sorry, I did not catch that. Could you say it again?",
        "Sorry, are you still there?",
    ),
    "other": (
        "I see. Could you tell me a little more about that?",
        "All right. {question}",
        "Let me note that down. What else should I know?",
    ),
}


def vertical_of(instructions: str) -> Vertical:
    for pattern, vertical in _VERTICALS:
        if re.search(pattern, instructions, re.IGNORECASE):
            return vertical
    return _OFFICE


def intent_of(words: str) -> str:
    if not words.strip():
        return "unheard"
    for name, pattern in _COMPILED:
        if pattern.search(words):
            return name
    return "other"


def advised_line(advice: str) -> str:
    """What a system message makes it say; empty: nothing."""
    return next((line for words, line in ADVICE.items() if words in advice), "")

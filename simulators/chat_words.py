"""The words the simulated judge counts: moods, purposes, buying signals. Nothing else moves it."""

from collections.abc import Mapping
from typing import Final


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


HAPPY: Final = _words(
    """thanks thank great lovely perfect wonderful excellent happy glad pleased awesome fantastic
    brilliant helpful kind nice good appreciate love super cheers delighted"""
)
ANGRY: Final = _words(
    """angry furious terrible awful horrible ridiculous unacceptable useless worst hate upset
    disappointed annoyed annoying rude complaint complain broken wrong never nobody waste scandal
    lawyer outrageous disgusting fed incompetent stupid bad frustrated frustrating"""
)

# Stems: a word of the caller counts when it begins with one. The names are those that rubrics use
# for what a caller wants; a schema's own choice is matched to them by its words.
PURPOSES: Final[Mapping[str, tuple[str, ...]]] = {
    "billing": ("bill", "invoice", "charg", "refund", "payment"),
    "book": ("book", "appointment", "reserv", "schedul", "viewing", "slot", "visit"),
    "buy": ("buy", "purchas", "order"),
    "cancel": ("cancel",),
    "complaint": (
        "complain",
        "unacceptable",
        "terrible",
        "awful",
        "furious",
        "ridiculous",
        "angry",
    ),
    "hours": ("hour", "open", "close", "opening"),
    "information": ("hour", "open", "where", "address", "parking", "question", "information"),
    "message": ("message", "voicemail"),
    "price": ("price", "cost", "fee", "quote", "rate", "expensive", "cheap"),
    "reschedule": ("reschedul", "postpone", "move", "earlier", "later"),
    "sell": ("sell", "valuation", "selling"),
    "human": ("human", "person", "operator", "manager", "representative"),
    "spam": ("warranty", "lottery", "crypto", "seo"),
    "support": ("help", "problem", "issue", "broken", "repair", "fix"),
    "wrong": ("misdialled", "misdialed"),
}
SAME_PURPOSE: Final[Mapping[str, str]] = {
    "booking": "book",
    "appointment": "book",
    "buying": "buy",
    "purchase": "buy",
    "sale": "buy",
    "pricing": "price",
    "prices": "price",
    "cost": "price",
    "opening": "hours",
    "info": "information",
    "inquiry": "information",
    "enquiry": "information",
    "complain": "complaint",
    "selling": "sell",
    "help": "support",
    "technical": "support",
    "payment": "billing",
    "cancellation": "cancel",
}

# What raises or lowers a lead score, by how much, and the phrases that show it.
SIGNALS: Final[Mapping[str, tuple[int, tuple[str, ...]]]] = {
    "asked_to_book": (30, ("book", "appointment", "reserve", "schedule", "viewing")),
    "asked_price": (15, ("price", "how much", "cost", "quote")),
    "asked_for_next_step": (10, ("next step", "what happens next", "how do i")),
    "ready_to_pay": (30, ("pay", "buy it", "deposit", "credit card", "take it", "sign")),
    "stated_budget": (20, ("budget", "afford up to", "spend")),
    "stated_deadline": (10, ("today", "tomorrow", "this week", "as soon as", "urgent", "asap")),
    "stated_need": (10, ("i need", "i want", "looking for", "interested in", "i would like")),
    "gave_contact": (15, ("my number is", "my email", "my name is", "call me back")),
    "decides_alone": (5, ("my decision", "i decide")),
    "cannot_afford": (-25, ("too expensive", "cannot afford", "can't afford")),
    "no_need": (-30, ("don't need", "do not need", "no longer need")),
    "not_interested": (-40, ("not interested", "stop calling", "no thanks")),
    "only_browsing": (-20, ("just looking", "just browsing", "just curious")),
    "undecided": (-10, ("think about it", "not sure", "maybe later")),
    "spam": (-100, ("lottery", "crypto", "extended warranty")),
    "wrong_number": (-100, ("wrong number",)),
}

LANGUAGES: Final[Mapping[str, frozenset[str]]] = {
    "en": _words("the and is i you to for of it please thanks hello yes"),
    "de": _words("der die das und ich ist nicht bitte danke guten ja ein für"),
    "es": _words("el la los y es que por favor gracias hola una quiero"),
    "fr": _words("le la les et je est pas merci bonjour oui vous une pour"),
    "it": _words("il che e non per favore grazie buongiorno sì una vorrei"),
}

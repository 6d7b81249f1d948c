"""The words callers use: three businesses, each with what people want from it, drawn by a seeded
hand.

Lines are plain sentences with one thing in each (a wish with day and time, a name, a price, opening
hours, a complaint, thanks), because the simulated model answers by rules and tests compare
transcripts word for word.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass

_FIRST = ("Dana", "Miguel", "Priya", "Oskar", "Amélie", "Tom", "Grace", "Yusuf", "Hannah", "Léo")
_LAST = ("Whitfield", "Alvarez", "Raman", "Lindqvist", "Moreau", "Becker", "Okafor", "Demir")
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday")
_TIMES = ("9 am", "10 am", "11 am", "2 pm", "3 pm", "4 pm", "5 pm")
_OPENINGS = ("Hi,", "Hello,", "Good morning,", "Hi there,")
_THANKS = (
    "Thank you very much, goodbye.",
    "That is all, thanks. Bye.",
    "Great, thank you. Goodbye.",
)


@dataclass(frozen=True, slots=True)
class Wishes:
    """What one caller has to say."""

    booking: str
    name: str
    question: str
    complaint: str
    demand: str
    thanks: str


@dataclass(frozen=True, slots=True)
class Vertical:
    """What people want from one kind of business."""

    services: Sequence[str]
    asks: str  # a booking, with {hello}, {service}, {day} and {time}
    questions: Sequence[str]
    complaints: Sequence[str]
    demands: Sequence[str]

    def wishes(self, rng: random.Random) -> Wishes:
        service = rng.choice(self.services)
        return Wishes(
            booking=self.asks.format(
                hello=rng.choice(_OPENINGS),
                service=service,
                day=rng.choice(_DAYS),
                time=rng.choice(_TIMES),
            ),
            name=f"My name is {rng.choice(_FIRST)} {rng.choice(_LAST)}.",
            question=rng.choice(self.questions).format(service=service),
            complaint=rng.choice(self.complaints),
            demand=rng.choice(self.demands),
            thanks=rng.choice(_THANKS),
        )


VERTICALS = {
    "clinic": Vertical(
        services=("a cleaning", "a check-up", "a filling", "a whitening", "a consultation"),
        asks="{hello} I would like to book {service} on {day} at {time}.",
        questions=(
            "How much does {service} cost?",
            "What are your opening hours?",
            "Do you take new patients?",
        ),
        complaints=(
            "I have a complaint. I waited an hour last week and nobody saw me.",
            "I am very upset. My filling fell out after two days.",
        ),
        demands=(
            "I want my money back.",
            "I want an appointment on Monday at 9 am, and no waiting.",
        ),
    ),
    "real_estate": Vertical(
        services=("a viewing", "a valuation", "a second viewing", "a meeting with an agent"),
        asks="{hello} about the apartment on Mill Street, can I book {service} on {day} at {time}?",
        questions=(
            "What is the price of the apartment on Mill Street?",
            "How much is the monthly rent?",
            "What are your opening hours?",
        ),
        complaints=(
            "I have a complaint. Nobody came to my viewing yesterday.",
            "I am really angry. You sold the house I had reserved.",
        ),
        demands=(
            "I want to speak to a manager.",
            "I want a new viewing on Friday at 10 am.",
        ),
    ),
    "salon": Vertical(
        services=("a haircut", "a colour", "a blow-dry", "highlights", "a trim"),
        asks="{hello} can I book {service} for {day} at {time}?",
        questions=(
            "How much is {service}?",
            "Are you open on Saturday?",
            "What are your opening hours?",
        ),
        complaints=(
            "I have a complaint. My hair came out green.",
            "This is terrible. I was told 3 pm and you were closed.",
        ),
        demands=(
            "I want a refund.",
            "I want this fixed on Thursday at 2 pm.",
        ),
    ),
}

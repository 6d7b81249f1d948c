"""The models on sale, as `GET /v1/models` tells: their snapshots, kinds, and last days."""

from dataclasses import dataclass, field
from typing import Any

from simulators.chat_errors import no_such_model


@dataclass(slots=True)
class Model:
    """One name that can be asked; `gone` answers as after its shutdown."""

    name: str
    snapshot: str  # what an answer says it came from
    reasons: bool = False
    shutdown_date: str | None = None
    gone: bool = False
    created: int = 1_721_172_741

    def shown(self) -> dict[str, Any]:
        return {
            "id": self.name,
            "object": "model",
            "created": self.created,
            "owned_by": "system",
            "shutdown_date": self.shutdown_date,
        }


def on_sale() -> list[Model]:
    """What the API sells on 20 November 2026, as far as scoring may want it."""
    mini = "gpt-4o-mini-2024-07-18"
    return [
        Model("gpt-4o-mini", mini, shutdown_date="2027-01-14"),
        Model(mini, mini, shutdown_date="2027-01-14"),
        Model("gpt-4.1-mini", "gpt-4.1-mini-2025-04-14"),
        Model("gpt-6-luna", "gpt-6-luna", reasons=True),
    ]


@dataclass(slots=True)
class Models:
    """Looked up by name; a name that is gone is as unknown as one that never was."""

    _by_name: dict[str, Model] = field(
        default_factory=lambda: {model.name: model for model in on_sale()}
    )

    def find(self, name: str) -> Model:
        model = self._by_name.get(name)
        if model is None or model.gone:
            raise no_such_model(name)
        return model

    def all(self) -> list[Model]:
        return [model for model in self._by_name.values() if not model.gone]

    def change(self, name: str, changes: dict[str, Any]) -> None:
        """`gone` and `shutdown_date` of a model; a name nobody knew is put on sale."""
        unknown = set(changes) - {"gone", "shutdown_date"}
        if unknown:
            raise ValueError(f"a model has no {sorted(unknown)}")
        model = self._by_name.setdefault(name, Model(name, name))
        if "gone" in changes:
            model.gone = bool(changes["gone"])
        if "shutdown_date" in changes:
            model.shutdown_date = changes["shutdown_date"]

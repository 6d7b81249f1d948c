"""How the API says no: status, and a body of four fields that clients tell apart by."""

from typing import Any


class ApiError(Exception):
    """One refusal, worded and coded as the API's own."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        kind: str = "invalid_request_error",
        code: str | None = None,
        param: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers or {}
        self.body: dict[str, Any] = {
            "error": {"message": message, "type": kind, "param": param, "code": code}
        }

    @property
    def is_the_clients_mistake(self) -> bool:
        """A request no correct client sends; a missing model or a wrong key may happen to one."""
        return self.status == 400


def bad(message: str, param: str | None, code: str | None = None) -> ApiError:
    return ApiError(400, message, code=code, param=param)


def unknown_parameter(path: str) -> ApiError:
    return bad(f"Unknown parameter: '{path}'.", path, "unknown_parameter")


def missing(path: str) -> ApiError:
    return bad(f"Missing required parameter: '{path}'.", path, "missing_required_parameter")


def wrong_type(path: str, wanted: str, value: Any) -> ApiError:
    message = f"Invalid type for '{path}': expected {wanted}, but got {_named(value)} instead."
    return bad(message, path, "invalid_type")


def wrong_value(path: str, value: Any, allowed: str) -> ApiError:
    message = f"Invalid value: {value!r}. Supported values are: {allowed}."
    return bad(message, path, "invalid_value")


def out_of_range(path: str, bound: str, value: Any) -> ApiError:
    code = "integer_below_min_value" if "greater" in bound else "integer_above_max_value"
    if isinstance(value, float):
        code = code.replace("integer", "decimal")
    message = f"Invalid '{path}': value {value} is out of range. Expected a value {bound}."
    return bad(message, path, code)


def unsupported(path: str, model_hint: str = "") -> ApiError:
    message = f"Unsupported parameter: '{path}' is not supported with this model.{model_hint}"
    return bad(message, path, "unsupported_parameter")


def beyond(path: str) -> ApiError:
    """Refused rather than ignored: nothing passes here that was not looked at."""
    return bad(f"'{path}' is real, but this simulator does not do it.", path, "simulated")


def no_such_model(model: str) -> ApiError:
    message = f"The model `{model}` does not exist or you do not have access to it."
    return ApiError(404, message, code="model_not_found")


def no_key() -> ApiError:
    return ApiError(
        401,
        "You didn't provide an API key. You need to provide your API key in an Authorization "
        "header using Bearer auth (i.e. Authorization: Bearer YOUR_KEY).",
    )


def wrong_key() -> ApiError:
    message = "Incorrect API key provided: sk-***. You can find your API key in your settings."
    return ApiError(401, message, code="invalid_api_key")


def _named(value: Any) -> str:
    names = {bool: "a boolean", int: "an integer", float: "a decimal", str: "a string"}
    names |= {list: "an array", dict: "an object", type(None): "null"}
    return names[type(value)]

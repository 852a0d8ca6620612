"""`make logs`: the log lines of the running stack's functions, oldest first."""

from local.emulator import Clients
from local.layout import Layout, StackError
from local.lifecycle import Handle, read_handle

EVENTS_SHOWN = 200


def show(layout: Layout, verb: str | None) -> None:
    """Print the newest log lines of one function, or of all."""
    handle = read_handle(layout)
    if handle is None:
        raise StackError("No local stack is running here: start one with `make run DETACH=1`.")
    verbs = [verb] if verb else list(handle.functions)
    lines = [line for name in verbs for line in newest(handle, layout, name)]
    for _, name, text in sorted(lines)[-EVENTS_SHOWN:]:
        print(f"{name:9} {text}")


def newest(handle: Handle, layout: Layout, verb: str) -> list[tuple[int, str, str]]:
    if verb not in handle.functions:
        raise StackError(f"There is no function {verb!r}. The functions are {', '.join(handle.functions)}.")
    clients = Clients(Layout(folder=layout.folder, port=int(handle.endpoint_url.rpartition(":")[2])))
    function = clients.of("lambda").get_function_configuration(FunctionName=handle.functions[verb])
    group = function["LoggingConfig"]["LogGroup"]
    events = clients.of("logs").filter_log_events(logGroupName=group).get("events", [])
    return [(event["timestamp"], verb, event["message"].rstrip()) for event in events[-EVENTS_SHOWN:]]

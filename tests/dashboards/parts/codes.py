"""The numbers that `_state_code` shows, with a colour for each state.

The order is the exporter's: codes are only ever appended to. Colours mean the same on every
dashboard: blue moves data, yellow needs a person soon, red needs one now, green is done, grey waits.
"""

SOURCE_STATES = [
    ("unknown", "#9fa7b3"),
    ("unavailable", "#6e6e6e"),
    ("waiting", "#8e99a8"),
    ("initialize", "super-light-blue"),
    ("replicate", "blue"),
    ("syncing", "dark-blue"),
    ("stopping", "light-orange"),
    ("stopped", "orange"),
    ("skipping", "#b8877a"),
    ("deleting", "#705da0"),
    ("error", "red"),
    ("cloning", "light-purple"),
    ("cutovering", "yellow"),
    ("finished", "green"),
    ("clearing", "super-light-green"),
    ("cleared", "dark-green"),
    ("clearfailed", "dark-red"),
    ("premigready", "super-light-purple"),
    ("premiging", "purple"),
    ("premiged", "dark-purple"),
    ("premigfailed", "light-red"),
    ("testing", "#56a4a4"),
    ("available", "light-green"),
    ("unconnected", "dark-orange"),
]

TASK_STATES = [
    ("unknown", "#9fa7b3"),
    ("READY", "#8e99a8"),
    ("RUNNING", "blue"),
    ("SYNCING", "dark-blue"),
    ("MIGRATE_SUCCESS", "green"),
    ("SYNC_SUCCESS", "dark-green"),
    ("MIGRATE_FAIL", "red"),
    ("SYNC_FAIL", "dark-red"),
    ("ABORTING", "light-orange"),
    ("ABORT", "orange"),
    ("SKIPPING", "#b8877a"),
    ("DELETING", "#705da0"),
    ("RESETING", "yellow"),
    ("SYNC_F_ROLLBACKING", "light-purple"),
    ("SYNC_F_ROLLBACK_SUCCESS", "purple"),
]

# States in which the service expects the agent to be there.
WORKING_STATES = "initialize|replicate|syncing|cutovering|cloning"
# States that end in something a person has to put right.
FAILED_STATES = "error|clearfailed|premigfailed"
FAILED_TASKS = "MIGRATE_FAIL|SYNC_FAIL"
# States after which progress is no longer of interest.
DONE_STATES = "finished|clearing|cleared|clearfailed|deleting"


def source_code(state):
    """The number that stands for a state of a source."""
    return [name for name, _ in SOURCE_STATES].index(state)


def value_mappings(pairs):
    """Grafana's value mappings for (value, text, colour) triples."""
    options = {
        str(value): {"color": colour, "index": index, "text": text}
        for index, (value, text, colour) in enumerate(pairs)
    }
    return [{"options": options, "type": "value"}]


def state_mappings(states):
    """Value mappings from the codes of a table of states."""
    return value_mappings([(code, name, colour) for code, (name, colour) in enumerate(states)])


CONNECTED = value_mappings([(0, "disconnected", "red"), (1, "connected", "green")])
REACHABLE = value_mappings([(0, "unreachable", "red"), (1, "reachable", "green")])
SUCCESS = value_mappings([(0, "failed", "red"), (1, "good", "green")])

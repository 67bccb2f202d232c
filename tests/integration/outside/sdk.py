"""Lists everything with the official SDK, configured by the environment alone, and compares what it
makes of the answers with the answers themselves."""

import os
import sys

from huaweicloudsdkcore.auth.credentials import BasicCredentials
from huaweicloudsdkcore.exceptions.exceptions import ClientRequestException
from huaweicloudsdkcore.http.http_handler import HttpHandler
from huaweicloudsdksms.v3 import (
    ListErrorServersRequest,
    ListServersRequest,
    ListTasksRequest,
    ShowOverviewRequest,
    SmsClient,
)
from huaweicloudsdksms.v3.region.sms_region import SmsRegion

SERVER = [
    "id", "ip", "name", "enterprise_project_id", "add_date", "os_type", "os_version", "state", "connected",
    "cpu_quantity", "memory", "replicatesize", "totalsize", "migration_cycle", "state_action_time", "has_tc",
]  # fmt: skip
TASK = ["id", "name", "type", "os_type", "state", "create_date", "priority", "migrate_speed", "start_target_server"]
ERROR = ["error_json", "host_name", "name", "source_id", "source_ip", "target_ip"]
RAW = []


def builder():
    """A client of the region that the environment points at the simulator."""
    handler = HttpHandler().add_response_handler(lambda response, **_: RAW.append(response))
    region = SmsRegion.value_of(os.environ["HW_REGION_NAME"])
    return SmsClient.new_builder().with_region(region).with_http_handler(handler)


def compare(what, objects, raw, fields):
    """Every object and every field is what the JSON says."""
    assert len(objects) == len(raw) > 0, f"{what}: {len(objects)} objects of {len(raw)}"
    for made, said in zip(objects, raw):
        for field in fields:
            value, wire = getattr(made, field), said.get(field)
            # The service sends some ids as numbers, of which the SDK makes texts.
            same = value == wire or (isinstance(value, str) and value == str(wire))
            assert same, f"{what}: {field} of {said.get('id')} is {wire!r} and became {value!r}"


def pages(call, request, of):
    """All pages of a list: the objects and their JSON."""
    objects, raw = [], []
    while True:
        answer = call(request(limit=10, offset=len(objects)))
        objects += getattr(answer, of)
        raw += RAW[-1].json()[of]
        if len(objects) >= answer.count:
            assert len(objects) == answer.count, f"{of}: {len(objects)} came, {answer.count} were announced"
            return objects, raw


def lists(client):
    """Servers, tasks, errors and overview."""
    servers, raw = pages(client.list_servers, ListServersRequest, "source_servers")
    compare("servers", servers, raw, SERVER)
    assert len(servers) == int(os.environ["SOURCES"]), f"{len(servers)} servers"
    tasks, raw = pages(client.list_tasks, ListTasksRequest, "tasks")
    compare("tasks", tasks, raw, TASK)
    # Null here and there, as the documents' samples have it.
    of_tasks = {task.source_server.id for task in tasks if task.source_server}
    assert of_tasks and of_tasks <= {server.id for server in servers}, of_tasks
    errors, raw = pages(client.list_error_servers, ListErrorServersRequest, "migration_errors")
    compare("errors", errors, raw, ERROR)
    overview = client.show_overview(ShowOverviewRequest()).to_dict()
    said = RAW[-1].json()
    known = {state: count for state, count in said.items() if state in overview}
    assert known and all(overview[state] == count for state, count in known.items()), f"{said} became {overview}"
    assert sum(count for count in overview.values() if count) > 0, overview
    print(f"{len(servers)} servers, {len(tasks)} tasks, {len(errors)} errors")


def refused():
    """A secret key that is wrong by one letter is told so."""
    secret = os.environ["HUAWEICLOUD_SDK_SK"][:-1] + "x"
    keys = BasicCredentials(os.environ["HUAWEICLOUD_SDK_AK"], secret, os.environ["HUAWEICLOUD_SDK_PROJECT_ID"])
    try:
        builder().with_credentials(keys).build().show_overview(ShowOverviewRequest())
    except ClientRequestException as error:
        assert error.status_code == 401, error
        print("the wrong key is refused")
    else:
        sys.exit("a wrong key was accepted")


if __name__ == "__main__":
    lists(builder().build())
    refused()

"""Stories of the Data Pipeline service that programs of others play: the flows that the tests of moto check, the flow of Ansible's
module data_pipeline, and every exception and paginator of boto3."""

import hashlib
import time

import boto3
from botocore.exceptions import ClientError

dp = boto3.client("datapipeline")


def fields_of(pipeline):
    described = dp.describe_pipelines(pipelineIds=[pipeline])["pipelineDescriptionList"][0]
    return {field["key"]: field.get("stringValue") for field in described["fields"]}


def until(condition):
    deadline = time.time() + 60
    while not condition():
        assert time.time() < deadline
        time.sleep(0.05)


def objects(schedule="2026-11-01T00:00:00"):
    string = lambda key, value: {"key": key, "stringValue": value}
    return [
        {"id": "Default", "name": "Default", "fields": [string("workerGroup", "mine"), string("failureAndRerunMode", "CASCADE"),
            string("scheduleType", "cron"), string("pipelineLogUri", "s3://downspout-logs/mine"),
            {"key": "schedule", "refValue": "Daily"}]},
        {"id": "Daily", "name": "Daily", "fields": [string("type", "Schedule"), string("period", "1 day"),
            string("startDateTime", schedule), string("endDateTime", "2036-11-03T00:00:00")]},
        {"id": "SayHello", "name": "SayHello", "fields": [string("type", "ShellCommandActivity"),
            string("command", "echo hello")]},
    ]


def definition_of(pipeline):
    return sorted(dp.get_pipeline_definition(pipelineId=pipeline)["pipelineObjects"], key=lambda found: found["id"])


def as_moto_tests_it():
    made = dp.create_pipeline(name="mypipeline", uniqueId="some-unique-id", description="d")["pipelineId"]
    described = dp.describe_pipelines(pipelineIds=[made])["pipelineDescriptionList"]
    assert len(described) == 1 and described[0]["name"] == "mypipeline" and described[0]["pipelineId"] == made, described
    fields = fields_of(made)
    assert fields["@pipelineState"] == "PENDING" and fields["uniqueId"] == "some-unique-id" and fields["description"] == "d"
    put = dp.put_pipeline_definition(pipelineId=made, pipelineObjects=objects("2035-11-01T00:00:00"))
    assert put["errored"] is False, put
    found = definition_of(made)
    assert [object["id"] for object in found] == ["Daily", "Default", "SayHello"], found
    assert {"key": "schedule", "refValue": "Daily"} in found[1]["fields"], found
    described = dp.describe_objects(pipelineId=made, objectIds=["Daily", "Default"])["pipelineObjects"]
    period = [field for field in described[0]["fields"] if field["key"] == "period"]
    assert period == [{"key": "period", "stringValue": "1 day"}], described
    dp.activate_pipeline(pipelineId=made)
    fields = fields_of(made)
    assert fields["@pipelineState"] == "SCHEDULED" and fields["@scheduledPeriod"] == "1 day", fields
    assert fields["@scheduledStartTime"] == "2035-11-01T00:00:00" and fields["@scheduledEndTime"] == "2036-11-03T00:00:00", fields
    dp.delete_pipeline(pipelineId=made)
    assert made not in [pipeline["id"] for pipeline in dp.list_pipelines()["pipelineIdList"]]
    many = [dp.create_pipeline(name=f"many-{n}", uniqueId=f"many-{n}")["pipelineId"] for n in range(100)]
    first = dp.list_pipelines()
    assert len(first["pipelineIdList"]) == 50 and first["hasMoreResults"] and first["marker"], first
    second = dp.list_pipelines(marker=first["marker"])
    listed = [pipeline["id"] for pipeline in first["pipelineIdList"] + second["pipelineIdList"]]
    assert len(set(listed)) == 100
    paged = dp.get_paginator("list_pipelines").paginate().build_full_result()["pipelineIdList"]
    assert set(many) <= {pipeline["id"] for pipeline in paged}
    last = dp.list_pipelines(marker=second["marker"]) if second["hasMoreResults"] else second
    assert not last["hasMoreResults"] and "marker" not in last, last
    for pipeline in many:
        dp.delete_pipeline(pipelineId=pipeline)


def as_ansible_plays_it():
    """The module finds a pipeline by its name, recognises it by a hash of its definition, and waits for states and for the end."""
    name, timeout_states = "ansible", {"activate": ("ACTIVE", "SCHEDULED"), "deactivate": ("INACTIVE", "PENDING", "FINISHED", "DELETING")}
    tags = [{"key": "env", "value": "test"}]
    unique = hashlib.md5(str(objects()).encode()).hexdigest()

    def find():
        for page in dp.get_paginator("list_pipelines").paginate():
            for pipeline in page["pipelineIdList"]:
                if pipeline["name"] == name:
                    return pipeline["id"]
        return None

    def delete():
        pipeline = find()
        if pipeline is None:
            return False
        dp.delete_pipeline(pipelineId=pipeline)

        def is_gone():
            try:
                assert fields_of(pipeline)["@pipelineState"] == "DELETING"
                return False
            except ClientError as error:
                assert error.response["Error"]["Code"] in ("PipelineNotFoundException", "PipelineDeletedException"), error
                return True

        until(is_gone)
        return True

    assert find() is None
    made = dp.create_pipeline(name=name, uniqueId=unique, description="", tags=tags)["pipelineId"]
    assert find() == made and fields_of(made)["uniqueId"] == unique
    assert dp.describe_pipelines(pipelineIds=[made])["pipelineDescriptionList"][0]["tags"] == tags
    put = dp.put_pipeline_definition(pipelineId=made, pipelineObjects=objects(), parameterObjects=[], parameterValues=[])
    assert put["errored"] is False, put
    dp.activate_pipeline(pipelineId=made)
    until(lambda: fields_of(made)["@pipelineState"] in timeout_states["activate"])
    dp.deactivate_pipeline(pipelineId=made)
    until(lambda: fields_of(made)["@pipelineState"] in timeout_states["deactivate"])
    assert delete() is True
    assert delete() is False


def every_exception():
    def raises(exception, call, **arguments):
        try:
            call(**arguments)
        except exception as error:
            assert error.response["Error"]["Message"], error
            assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 400, error
            assert error.response["ResponseMetadata"]["RequestId"], error
        else:
            raise AssertionError(f"not raised: {exception.__name__} by {arguments}")

    exceptions = dp.exceptions
    unknown = "df-00000000AAAAAAAAAAAA"
    made = dp.create_pipeline(name="refused", uniqueId="refused")["pipelineId"]
    of_pipeline = [
        (dp.activate_pipeline, {}),
        (dp.add_tags, {"tags": [{"key": "a", "value": "b"}]}),
        (dp.deactivate_pipeline, {}),
        (dp.describe_objects, {"objectIds": ["Default"]}),
        (dp.evaluate_expression, {"objectId": "Default", "expression": "#{1}"}),
        (dp.get_pipeline_definition, {}),
        (dp.put_pipeline_definition, {"pipelineObjects": objects()}),
        (dp.query_objects, {"sphere": "INSTANCE"}),
        (dp.remove_tags, {"tagKeys": ["a"]}),
        (dp.set_status, {"objectIds": ["Default"], "status": "PAUSE"}),
        (dp.validate_pipeline_definition, {"pipelineObjects": objects()}),
    ]
    for call, arguments in of_pipeline:
        raises(exceptions.PipelineNotFoundException, call, pipelineId=unknown, **arguments)
    raises(exceptions.PipelineNotFoundException, dp.delete_pipeline, pipelineId=unknown)
    raises(exceptions.PipelineNotFoundException, dp.describe_pipelines, pipelineIds=[made, unknown])
    raises(exceptions.InvalidRequestException, dp.activate_pipeline, pipelineId=made)
    raises(exceptions.InvalidRequestException, dp.query_objects, pipelineId=made, sphere="PLANET")
    raises(exceptions.InvalidRequestException, dp.describe_pipelines, pipelineIds=[made] * 26)
    raises(exceptions.InvalidRequestException, dp.list_pipelines, marker="nonsense")
    raises(exceptions.InvalidRequestException, dp.get_pipeline_definition, pipelineId=made, version="active")
    for call, arguments in [
        (dp.report_task_progress, {}),
        (dp.set_task_status, {"taskStatus": "FINISHED"}),
    ]:
        raises(exceptions.TaskNotFoundException, call, taskId="nonsense", **arguments)
    dp.delete_pipeline(pipelineId=made)
    for call, arguments in of_pipeline:
        raises(exceptions.PipelineDeletedException, call, pipelineId=made, **arguments)
    raises(exceptions.PipelineNotFoundException, dp.delete_pipeline, pipelineId=made)


def paginators_of_objects():
    made = dp.create_pipeline(name="pages", uniqueId="pages")["pipelineId"]
    string = lambda key, value: {"key": key, "stringValue": value}
    default = {"id": "Default", "name": "Default", "fields": [string("scheduleType", "ondemand"), string("workerGroup", "mine")]}
    say = lambda n: {"id": f"Say{n}", "name": f"Say{n}", "fields": [string("type", "ShellCommandActivity"), string("command", "true")]}
    dp.put_pipeline_definition(pipelineId=made, pipelineObjects=[default] + [say(n) for n in range(99)])
    dp.activate_pipeline(pipelineId=made)
    pages = dp.get_paginator("query_objects").paginate(pipelineId=made, sphere="INSTANCE", PaginationConfig={"PageSize": 40})
    sizes = [len(page["ids"]) for page in pages]
    assert sizes == [40, 40, 19], sizes
    ids = pages.build_full_result()["ids"]
    described = dp.get_paginator("describe_objects").paginate(pipelineId=made, objectIds=ids).build_full_result()
    assert [found["id"] for found in described["pipelineObjects"]] == ids
    failed = {"selectors": [{"fieldName": "@status", "operator": {"type": "EQ", "values": ["FAILED"]}}]}
    assert dp.query_objects(pipelineId=made, sphere="INSTANCE", query=failed)["ids"] == []
    dp.delete_pipeline(pipelineId=made)


def runtime_fields_of_a_run():
    """Fields that the service itself writes: of components, attempts of activities and preconditions, and the pipeline."""
    string = lambda key, value: {"key": key, "stringValue": value}
    made = dp.create_pipeline(name="runtime", uniqueId="runtime")["pipelineId"]
    put = dp.put_pipeline_definition(pipelineId=made, pipelineObjects=[
        {"id": "Default", "name": "Default", "fields": [string("scheduleType", "ondemand"), string("workerGroup", "runtime"),
            string("role", "r")]},
        {"id": "Never", "name": "Never", "fields": [string("type", "S3KeyExists"), string("s3Key", "s3://downspout-drop/runtime/never")]},
        {"id": "Wait", "name": "Wait", "fields": [string("type", "ShellCommandActivity"), string("command", "true"),
            {"key": "precondition", "refValue": "Never"}]},
        {"id": "Say", "name": "Say", "fields": [string("type", "ShellCommandActivity"), string("command", "true")]},
    ])
    assert put["errored"] is False, put
    dp.activate_pipeline(pipelineId=made)

    def described(sphere, component):
        ids = dp.query_objects(pipelineId=made, sphere=sphere)["ids"]
        found = dp.describe_objects(pipelineId=made, objectIds=ids)["pipelineObjects"]
        found = [{"id": one["id"]} | {field["key"]: field.get("stringValue", field.get("refValue")) for field in one["fields"]}
                 for one in found]
        return [one for one in found if component in (one["id"], one.get("@componentParent"))]

    until(lambda: any("lastRetryTime" in check for check in described("ATTEMPT", "Never")))
    task = dp.poll_for_task(workerGroup="runtime", hostname="me")["taskObject"]
    dp.report_task_progress(taskId=task["taskId"], fields=[string("rows", "3")])
    component, = described("COMPONENT", "Say")
    assert component["@activeInstances"].startswith("@Say_") and "@latestCompletedRunTime" not in component, component
    attempt, = described("ATTEMPT", "Say")
    assert attempt["reportProgressTime"] >= attempt["@actualStartTime"] and attempt["rows"] == "3", attempt
    dp.set_task_status(taskId=task["taskId"], taskStatus="FINISHED")
    component, = described("COMPONENT", "Say")
    assert component["@healthStatus"] == "HEALTHY" and component["@healthStatusFromInstanceId"].startswith("@Say_"), component
    assert "@activeInstances" not in component, component
    assert component["@latestCompletedRunTime"] == component["@latestRunTime"], component
    dp.deactivate_pipeline(pipelineId=made)
    assert fields_of(made)["@lastDeactivatedTime"], fields_of(made)
    dp.delete_pipeline(pipelineId=made)


def a_task_runner_does_the_work_of_a_type_that_no_worker_here_does():
    """The runner gets every field of the activity and of the objects that the activity refers to, and its reports come back."""
    string = lambda key, value: {"key": key, "stringValue": value}
    refer = lambda key, value: {"key": key, "refValue": value}
    columns = [string("column", "id INTEGER"), string("column", "name STRING")]
    definition = {
        "Default": [string("scheduleType", "ondemand"), string("workerGroup", "warehouse"), string("role", "r")],
        "Format": [string("type", "RegEx"), string("inputRegEx", "^([0-9]+);(.*)$"), string("outputFormat", "%1$s,%2$s"), *columns],
        "Files": [string("type", "S3DataNode"), string("manifestFilePath", "s3://downspout-drop/manifest"),
            string("s3EncryptionType", "NONE"), refer("dataFormat", "Format")],
        "Warehouse": [string("type", "RedshiftDatabase"), string("clusterId", "c"), string("databaseName", "d"),
            string("username", "u"), string("*password", "secret")],
        "Table": [string("type", "RedshiftDataNode"), refer("database", "Warehouse"), string("tableName", "t"),
            string("primaryKeys", "id"), string("primaryKeys", "name")],
        "Copy": [string("type", "RedshiftCopyActivity"), refer("input", "Files"), refer("output", "Table"),
            string("insertMode", "OVERWRITE_EXISTING"), string("transformSql", "select * from staging"),
            string("commandOptions", "GZIP"), string("commandOptions", "MAXERROR 10")],
        "Source": [string("type", "JdbcDatabase"), string("connectionString", "jdbc:oracle:thin:@host:1521:x"),
            string("jdbcDriverClass", "oracle.jdbc.OracleDriver"), string("jdbcDriverJarUri", "s3://downspout-drop/ojdbc.jar"),
            string("username", "u"), string("*password", "secret")],
        "Ask": [string("type", "SqlActivity"), refer("database", "Source"), string("script", "select 1 from dual"),
            refer("dependsOn", "Copy")],
        "Items": [string("type", "DynamoDBDataNode"), string("tableName", "items"), string("readThroughputPercent", "0.25"),
            string("writeThroughputPercent", "0.5")],
        "Copies": [string("type", "DynamoDBDataNode"), string("tableName", "copies")],
        "Import": [string("type", "HiveCopyActivity"), refer("input", "Items"), refer("output", "Copies"), refer("dependsOn", "Ask")],
    }
    made = dp.create_pipeline(name="warehouse", uniqueId="warehouse")["pipelineId"]
    put = dp.put_pipeline_definition(pipelineId=made,
        pipelineObjects=[{"id": id, "name": id, "fields": fields} for id, fields in definition.items()])
    assert put["errored"] is False, put
    dp.activate_pipeline(pipelineId=made)

    def values(object):
        found = {}
        for field in object["fields"]:
            found.setdefault(field["key"], []).append(field.get("stringValue", field.get("refValue")))
        return found

    attempts = {}
    for activity, written in [("Copy", ["Copy", "Files", "Format", "Table", "Warehouse"]), ("Ask", ["Ask", "Source"]),
                              ("Import", ["Import", "Items"])]:
        task = dp.poll_for_task(workerGroup="warehouse", hostname="runner")["taskObject"]
        # The ids of instances and attempts begin with the id of their component: @Copy_2026-….
        got = {id.lstrip("@").split("_")[0]: values(object) for id, object in task["objects"].items()}
        for id in written:
            for field in definition[id]:
                given = field.get("stringValue")
                assert given is None or given in got[id][field["key"]], (id, field, got)
        reported = [string("attemptStatus", f"{activity} at work"), string("emrStepLog", f"s3://logs/{activity}/step"),
            string("hadoopJobLog", f"s3://logs/{activity}/jobs")]
        dp.report_task_progress(taskId=task["taskId"], fields=reported)
        dp.set_task_status(taskId=task["taskId"], taskStatus="FINISHED")
        attempts[activity] = reported
    until(lambda: fields_of(made)["@pipelineState"] == "FINISHED")
    ids = dp.query_objects(pipelineId=made, sphere="ATTEMPT")["ids"]
    described = dp.describe_objects(pipelineId=made, objectIds=ids)["pipelineObjects"]
    described = {values(attempt)["@componentParent"][0]: attempt["fields"] for attempt in described}
    for activity, reported in attempts.items():
        assert all(field in described[activity] for field in reported), described[activity]
    dp.delete_pipeline(pipelineId=made)


def a_cluster_is_kept_as_it_is_written_and_not_activated():
    """No host here starts clusters, so an activation says so at once. The definition itself is legal, and comes back whole."""
    string = lambda key, value: {"key": key, "stringValue": value}
    refer = lambda key, value: {"key": key, "refValue": value}
    definition = [{"id": id, "name": id, "fields": fields} for id, fields in {
        "Cluster": [refer("coreEbsConfiguration", "Ebs"), string("releaseLabel", "emr-5.23.0"), string("type", "EmrCluster")],
        "Default": [string("scheduleType", "ondemand"), string("role", "r"), string("resourceRole", "r")],
        "Device": [string("type", "EbsBlockDeviceConfig"), refer("volumeSpecification", "Volume"), string("volumesPerInstance", "2")],
        "Ebs": [refer("ebsBlockDeviceConfig", "Device"), string("ebsOptimized", "true"), string("type", "EbsConfiguration")],
        "Step": [refer("runsOn", "Cluster"), string("step", "command-runner.jar,true"), string("type", "EmrActivity")],
        "Volume": [string("iops", "1000"), string("sizeInGB", "500"), string("type", "VolumeSpecification"), string("volumeType", "io1")],
    }.items()]
    made = dp.create_pipeline(name="cluster", uniqueId="cluster")["pipelineId"]
    put = dp.put_pipeline_definition(pipelineId=made, pipelineObjects=definition)
    warnings = [warning for object in put["validationWarnings"] if object["id"] == "Step" for warning in object["warnings"]]
    assert put["errored"] is False and any(warning.startswith("NO_HOST:  'runsOn'") for warning in warnings), put
    in_order = lambda objects: [(object["id"], sorted(object["fields"], key=str)) for object in objects]
    assert in_order(definition_of(made)) == in_order(definition), definition_of(made)
    try:
        dp.activate_pipeline(pipelineId=made)
        raise AssertionError("the cluster was accepted")
    except dp.exceptions.InvalidRequestException as error:
        assert "`Cluster` is an EmrCluster" in str(error), error
    dp.delete_pipeline(pipelineId=made)


as_moto_tests_it()
as_ansible_plays_it()
every_exception()
paginators_of_objects()
runtime_fields_of_a_run()
a_task_runner_does_the_work_of_a_type_that_no_worker_here_does()
a_cluster_is_kept_as_it_is_written_and_not_activated()
print("done")

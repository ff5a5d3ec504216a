//! Pipelines and definitions in storage: names, pages, tags, versions, secrets.

use aws_sdk_datapipeline::types::{ParameterObject, ParameterValue, Tag};

use crate::harness::{Stage, activity, default, object, string, two_steps, value};

#[tokio::test]
async fn creation_is_idempotent_by_name_and_unique_id() {
    let stage = Stage::new().await;
    let create = |name: &str, unique: &str| {
        let create = stage.client.create_pipeline().name(name).unique_id(unique);
        async move { create.send().await.unwrap().pipeline_id().to_owned() }
    };
    let first = create("a", "1").await;
    assert_eq!(create("a", "1").await, first);
    assert_ne!(create("b", "1").await, first);
    stage.client.delete_pipeline().pipeline_id(&first).send().await.unwrap();
    assert_ne!(create("a", "1").await, first);
    stage.stop().await;
}

#[tokio::test]
async fn fifty_one_pipelines_are_two_pages() {
    let stage = Stage::new().await;
    for number in 0..51 {
        stage.create(&format!("p{number}")).await;
    }
    let first = stage.client.list_pipelines().send().await.unwrap();
    assert!(first.has_more_results());
    assert_eq!(first.pipeline_id_list().len(), 50);
    let second = stage.client.list_pipelines().set_marker(first.marker).send().await.unwrap();
    assert_eq!(second.pipeline_id_list()[0].name(), Some("p50"));
    assert!(!second.has_more_results() && second.marker().is_none());
    stage.stop().await;
}

#[tokio::test]
async fn tags_are_added_replaced_removed_and_shown_twice() {
    let stage = Stage::new().await;
    let pipeline = stage.create("p").await;
    let tag = |key: &str, value: &str| Tag::builder().key(key).value(value).build().unwrap();
    let add = stage.client.add_tags().pipeline_id(&pipeline).tags(tag("a", "1")).tags(tag("b", "2"));
    add.send().await.unwrap();
    stage.client.add_tags().pipeline_id(&pipeline).tags(tag("a", "3")).send().await.unwrap();
    stage.client.remove_tags().pipeline_id(&pipeline).tag_keys("b").send().await.unwrap();
    let described = stage.client.describe_pipelines().pipeline_ids(&pipeline).send().await.unwrap();
    let description = &described.pipeline_description_list()[0];
    assert_eq!(description.tags(), [tag("a", "3")]);
    assert_eq!(value(description.fields(), "*tags").as_deref(), Some(r#"[{"key":"a","value":"3"}]"#));
    stage.stop().await;
}

#[tokio::test]
async fn latest_and_active_are_two_definitions() {
    let stage = Stage::new().await;
    let pipeline = stage.run(two_steps()).await;
    let mut changed = two_steps();
    changed.push(activity("Third", &["Second"]));
    let put =
        stage.client.put_pipeline_definition().pipeline_id(&pipeline).set_pipeline_objects(Some(changed));
    assert!(!put.send().await.unwrap().errored());
    let get =
        |version: &str| stage.client.get_pipeline_definition().pipeline_id(&pipeline).version(version).send();
    assert_eq!(get("latest").await.unwrap().pipeline_objects().len(), 4);
    assert_eq!(get("active").await.unwrap().pipeline_objects().len(), 3);
    let full = stage.client.activate_pipeline().pipeline_id(&pipeline).send().await.unwrap_err();
    let full = full.into_service_error();
    assert!(full.is_invalid_request_exception());
    assert!(full.to_string().contains("maxActiveInstances"), "{full}");
    stage.work(&stage.poll().await).await;
    stage.work(&stage.poll().await).await;
    stage.client.activate_pipeline().pipeline_id(&pipeline).send().await.unwrap();
    assert_eq!(stage.pipeline_field(&pipeline, "@version").await.as_deref(), Some("2"));
    assert_eq!(get("active").await.unwrap().pipeline_objects().len(), 4);
    stage.stop().await;
}

#[tokio::test]
async fn a_definition_with_errors_is_kept_and_not_activated() {
    let stage = Stage::new().await;
    let pipeline = stage.create("p").await;
    let broken = vec![default(), activity("First", &["Nobody"])];
    let put =
        stage.client.put_pipeline_definition().pipeline_id(&pipeline).set_pipeline_objects(Some(broken));
    let put = put.send().await.unwrap();
    assert!(put.errored());
    assert_eq!(put.validation_errors()[0].id(), Some("First"));
    let kept = stage.client.get_pipeline_definition().pipeline_id(&pipeline).send().await.unwrap();
    assert_eq!(kept.pipeline_objects().len(), 2);
    let refused = stage.client.activate_pipeline().pipeline_id(&pipeline).send().await.unwrap_err();
    let refused = refused.into_service_error();
    assert!(refused.is_invalid_request_exception() && refused.to_string().contains("Nobody"), "{refused}");
    assert_eq!(stage.pipeline_field(&pipeline, "@pipelineState").await.as_deref(), Some("PENDING"));
    stage.stop().await;
}

#[tokio::test]
async fn secrets_leave_only_to_workers_and_survive_a_masked_put() {
    const SECRET: &str = "open sesame";
    let stage = Stage::new().await;
    let pipeline = stage.create("p").await;
    let fields = vec![
        string("type", "JdbcDatabase"),
        string("connectionString", "jdbc:postgresql://127.0.0.1/x"),
        string("jdbcDriverClass", "org.postgresql.Driver"),
        string("username", "me"),
        string("*password", "#{*myPw}"),
    ];
    let mut load = activity("Load", &[]);
    load.fields.push(string("*token", SECRET));
    let parameter = ParameterObject::builder().id("*myPw").set_attributes(Some(vec![])).build().unwrap();
    let given = ParameterValue::builder().id("*myPw").string_value(SECRET).build().unwrap();
    let put = |objects, values| {
        let put =
            stage.client.put_pipeline_definition().pipeline_id(&pipeline).set_pipeline_objects(Some(objects));
        let put = put.parameter_objects(parameter.clone()).set_parameter_values(values);
        async move { put.send().await.unwrap() }
    };
    let answer = put(vec![default(), object("Db", fields), load], Some(vec![given])).await;
    assert!(!answer.errored(), "{answer:?}");
    let shown = stage.client.get_pipeline_definition().pipeline_id(&pipeline).send().await.unwrap();
    assert!(!format!("{shown:?}").contains(SECRET));
    put(shown.pipeline_objects().to_vec(), shown.parameter_values.clone()).await;
    stage.client.activate_pipeline().pipeline_id(&pipeline).send().await.unwrap();
    let task = stage.poll().await;
    let attempt = &task.objects().unwrap()[task.attempt_id().unwrap()];
    assert_eq!(value(attempt.fields(), "*token").as_deref(), Some(SECRET));
    for sphere in ["COMPONENT", "INSTANCE", "ATTEMPT"] {
        for id in stage.ids(&pipeline, sphere).await {
            let describe = stage.client.describe_objects().pipeline_id(&pipeline).object_ids(id);
            let object = describe.evaluate_expressions(true).send().await.unwrap();
            assert!(!format!("{object:?}").contains(SECRET), "{object:?}");
        }
    }
    stage.stop().await;
}

#[tokio::test]
async fn each_put_that_is_activated_counts_as_a_version() {
    let stage = Stage::new().await;
    let pipeline = stage.run(two_steps()).await;
    assert_eq!(stage.pipeline_field(&pipeline, "@version").await.as_deref(), Some("1"));
    let again = async || {
        for _ in 0..2 {
            stage.work(&stage.poll().await).await;
        }
        stage.client.activate_pipeline().pipeline_id(&pipeline).send().await.unwrap();
        stage.pipeline_field(&pipeline, "@version").await
    };
    assert_eq!(again().await.as_deref(), Some("1"), "no definition was put");
    for _ in 0..2 {
        let put = stage.client.put_pipeline_definition().pipeline_id(&pipeline);
        put.set_pipeline_objects(Some(two_steps())).send().await.unwrap();
    }
    assert_eq!(again().await.as_deref(), Some("2"), "equal definitions count, each activation once");
    stage.stop().await;
}

#[tokio::test]
async fn the_description_has_the_fields_of_aws_and_no_others() {
    let stage = Stage::new().await;
    let create = stage.client.create_pipeline().name("p").unique_id("u").description("d");
    let pipeline = create.send().await.unwrap().pipeline_id().to_owned();
    let keys = async || {
        let described = stage.client.describe_pipelines().pipeline_ids(&pipeline).send().await.unwrap();
        let fields = described.pipeline_description_list()[0].fields();
        let mut keys: Vec<String> = fields.iter().map(|field| field.key().to_owned()).collect();
        keys.sort();
        keys.join(" ")
    };
    let always = "@accountId @creationTime @id @pipelineState @sphere @userId description name pipelineCreator uniqueId";
    assert_eq!(keys().await, always);
    let user = stage.pipeline_field(&pipeline, "@userId").await.unwrap();
    assert!(user.starts_with("AIDA") && user.len() == 21, "{user}");
    assert_ne!(Some(user), stage.pipeline_field(&pipeline, "@accountId").await);
    let put = stage.client.put_pipeline_definition().pipeline_id(&pipeline);
    put.set_pipeline_objects(Some(two_steps())).send().await.unwrap();
    stage.client.activate_pipeline().pipeline_id(&pipeline).send().await.unwrap();
    for _ in 0..2 {
        stage.work(&stage.poll().await).await;
    }
    let ended = "@accountId @creationTime @finishedTime @firstActivationTime @healthStatus @healthStatusUpdatedTime @id \
                 @lastActivationTime @latestRunTime @pipelineState @sphere @userId @version description name \
                 pipelineCreator uniqueId";
    assert_eq!(keys().await, ended);
    stage.stop().await;
}

#[tokio::test]
async fn values_of_parameters_are_evaluated_in_the_object_that_uses_them() {
    let stage = Stage::new().await;
    let pipeline = stage.create("p").await;
    let mut default = default();
    default.fields.retain(|field| field.key() != "workerGroup");
    default.fields.push(string("workerGroup", "#{myGroup}"));
    let mut say = activity("Say", &[]);
    say.fields.push(string("scriptArgument", "#{myWhen} #{myText}"));
    let parameter =
        |id: &str| ParameterObject::builder().id(id).set_attributes(Some(vec![])).build().unwrap();
    let given = |id: &str, value: &str| ParameterValue::builder().id(id).string_value(value).build().unwrap();
    let put = stage.client.put_pipeline_definition().pipeline_id(&pipeline);
    let put = put.set_pipeline_objects(Some(vec![default, say]));
    let put =
        put.set_parameter_objects(Some(["myGroup", "myWhen", "myText", "myLetter"].map(parameter).to_vec()));
    let put = put.parameter_values(given("myGroup", "w#{myLetter}"));
    let put =
        put.parameter_values(given("myWhen", "#{format(@scheduledStartTime, 'YYYY')} of #{parent.@id}"));
    let put = put.parameter_values(given("myText", "#{'#' + '{'}myLetter}"));
    let answer = put.send().await.unwrap();
    assert!(!answer.errored(), "{answer:?}");
    let activate = stage.client.activate_pipeline().pipeline_id(&pipeline);
    activate.parameter_values(given("myLetter", "#{'g'}")).send().await.unwrap();
    let task = stage.poll().await;
    let attempt = &task.objects().unwrap()[task.attempt_id().unwrap()];
    assert_eq!(value(attempt.fields(), "scriptArgument").as_deref(), Some("2030 of Say #{myLetter}"));
    stage.stop().await;
}

#[tokio::test]
async fn parameters_that_use_each_other_are_refused() {
    let stage = Stage::new().await;
    let pipeline = stage.create("p").await;
    let given = |id: &str, value: &str| ParameterValue::builder().id(id).string_value(value).build().unwrap();
    let mut say = activity("Say", &[]);
    say.fields.push(string("scriptArgument", "#{myA}"));
    let put = stage.client.put_pipeline_definition().pipeline_id(&pipeline);
    let put = put.set_pipeline_objects(Some(vec![default(), say]));
    let put = put.parameter_values(given("myA", "#{myB}")).parameter_values(given("myB", "#{myA}"));
    let answer = put.send().await.unwrap();
    assert!(answer.errored());
    let refused = stage.client.activate_pipeline().pipeline_id(&pipeline).send().await.unwrap_err();
    let refused = refused.into_service_error().to_string();
    assert!(
        refused.contains("parameters use each other in a cycle: 'myA', 'myB', then 'myA' again"),
        "{refused}"
    );
    stage.stop().await;
}

#[tokio::test]
async fn components_are_described_with_their_runtime_fields() {
    let stage = Stage::new().await;
    let pipeline = stage.run(two_steps()).await;
    assert_eq!(stage.ids(&pipeline, "COMPONENT").await, ["Default", "First", "Second"]);
    let first = stage.object(&pipeline, "First").await;
    assert_eq!(value(first.fields(), "@sphere").as_deref(), Some("COMPONENT"));
    assert_eq!(value(first.fields(), "@pipelineId"), Some(pipeline.clone()));
    assert_eq!(value(first.fields(), "@status").as_deref(), Some("SCHEDULED"));
    let evaluate = stage.client.evaluate_expression().pipeline_id(&pipeline);
    let evaluate = evaluate.object_id("@First_2030-03-17T17:46:40").expression("at #{@scheduledStartTime}");
    assert_eq!(evaluate.send().await.unwrap().evaluated_expression(), "at 2030-03-17T17:46:40");
    stage.stop().await;
}

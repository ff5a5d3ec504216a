//! Shell commands with staged inputs and outputs, started by the service.

use aws_sdk_datapipeline::types::{Field, PipelineObject};

use super::stack::{BUCKET, Stack, object, refers, string, value};

/// A staged command that reads `in/` and writes `out/`.
fn shell(command: &str, more: Vec<Field>) -> Vec<PipelineObject> {
    let mut fields = vec![
        string("type", "ShellCommandActivity"),
        string("stage", "true"),
        string("command", command),
        refers("input", "In"),
        refers("output", "Out"),
    ];
    fields.extend(more);
    vec![object("Shell", fields), folder("In", "in"), folder("Out", "out")]
}

fn folder(id: &str, key: &str) -> PipelineObject {
    let path = format!("s3://{BUCKET}/{key}");
    object(id, vec![string("type", "S3DataNode"), string("directoryPath", &path)])
}

async fn keys(stack: &Stack, prefix: &str) -> Vec<String> {
    let list = stack.clients.s3.list_objects_v2().bucket(BUCKET).prefix(prefix).send().await.expect("listed");
    list.contents().iter().map(|object| object.key().unwrap_or_default().to_owned()).collect()
}

fn finished(attempt: &[(String, String)]) {
    assert_eq!(value(attempt, "@status"), "FINISHED", "{attempt:?}");
}

/// Returns the message of a failed attempt.
fn message<'a>(attempt: &'a [(String, String)], id: &str) -> &'a str {
    assert_eq!(value(attempt, "@status"), "FAILED", "{attempt:?}");
    assert_eq!(value(attempt, "errorId"), id, "{attempt:?}");
    value(attempt, "errorMessage")
}

#[tokio::test(flavor = "multi_thread")]
async fn staging_folders_in_arguments_are_the_folders_of_the_command() {
    let stack = Stack::start().await;
    stack.put("in/a.csv", "1\n").await;
    let arguments = vec![
        string("scriptArgument", "${INPUT1_STAGING_DIR}/a.csv"),
        string("scriptArgument", "--out=${OUTPUT1_STAGING_DIR}/b c.csv"),
        string("scriptArgument", "$HOME ${OTHER} \\${INPUT1_STAGING_DIR}"),
    ];
    let command = "set -e; test \"$1\" = \"${INPUT1_STAGING_DIR}/a.csv\"; cp \"$1\" \"${2#--out=}\"; echo \"$3\" > \
                   \"${OUTPUT1_STAGING_DIR}/third\"";
    finished(&stack.run(shell(command, arguments)).await);
    assert_eq!(keys(&stack, "out/").await, ["out/b c.csv", "out/third"]);
    assert_eq!(stack.get("out/third").await, b"$HOME ${OTHER} \\${INPUT1_STAGING_DIR}\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_any_legal_text_are_staged_under_their_names() {
    let stack = Stack::start().await;
    let names = [
        "a b/c d",
        "grüße/日本.csv",
        "%2F+&=?#",
        "A/x",
        "a/x",
        "..x/.y",
        "-rf",
        "*",
        "$(id)`;'\"",
        "\\..\\z",
    ];
    for name in names {
        stack.put(&format!("in/{name}"), name).await;
    }
    let copy = "cp -R \"$INPUT1_STAGING_DIR/.\" \"$OUTPUT1_STAGING_DIR\"";
    finished(&stack.run(shell(copy, vec![])).await);
    for name in names {
        assert_eq!(stack.get(&format!("out/{name}")).await, name.as_bytes());
    }
    assert_eq!(keys(&stack, "out/").await.len(), names.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_cannot_be_a_file_below_the_folder_is_refused_by_its_name() {
    let long = "x".repeat(256);
    for (key, reason) in [
        ("in/a/../../../../x", "has the name `..` between slashes"),
        ("in//x", "has an empty name before or after a `/`"),
        ("in/a/./x", "has the name `.` between slashes"),
        (&format!("in/{long}"), "has a name of 256 bytes, and a file takes 255"),
        ("in/good/x", "needs `good` as a folder, which is the file of another object"),
    ] {
        let stack = Stack::start().await;
        stack.put("in/good", "1").await;
        stack.put(key, "2").await;
        let attempt = stack.run(shell("true", vec![])).await;
        let message = message(&attempt, "BadInput:Key");
        assert!(message.contains(&format!("the key of s3://{BUCKET}/{key} {reason}; rename")), "{message}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_bucket_is_staged_with_its_folders() {
    let stack = Stack::start().await;
    stack.put("a/x", "1").await;
    stack.put("b/x", "2").await;
    let mut objects =
        shell("cat $INPUT1_STAGING_DIR/a/x $INPUT1_STAGING_DIR/b/x > $OUTPUT1_STAGING_DIR/y", vec![]);
    objects.retain(|object| object.id() != "In");
    objects.push(folder("In", ""));
    finished(&stack.run(objects).await);
    assert_eq!(stack.get("out/y").await, b"12");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_a_pipe_or_an_illegal_name_in_the_output_fails_before_any_upload() {
    for (command, said) in [
        ("ln -s /etc/passwd p", "`p` is a symbolic link, which is not followed"),
        ("ln -s /etc d", "`d` is a symbolic link"),
        (
            "cd .. && rm -r \"$OUTPUT1_STAGING_DIR\" && ln -s /etc \"$OUTPUT1_STAGING_DIR\"",
            "the folder itself is a symbolic",
        ),
        ("mkfifo f", "`f` is a named pipe (FIFO): remove it"),
        ("touch $'out.csv\\r'", "the name `out.csv\\r` has a carriage return (CR)"),
        ("touch $'a\\xff'", "the name `a\\xff` is not UTF-8"),
    ] {
        let stack = Stack::start().await;
        stack.put("in/a", "1").await;
        let attempt =
            stack.run(shell(&format!("cd \"$OUTPUT1_STAGING_DIR\"; touch a; {command}"), vec![])).await;
        let message = message(&attempt, "ActivityFailed:Output");
        let begin = "output `Out`, folder ${OUTPUT1_STAGING_DIR}: nothing was uploaded: ";
        assert!(message.starts_with(begin) && message.contains(said), "{message}");
        assert_eq!(keys(&stack, "out").await, Vec::<String>::new());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_still_grows_is_not_uploaded() {
    let stack = Stack::start().await;
    stack.put("in/a", "1").await;
    // Several writers, and a file that takes long to upload, so that one of them writes meanwhile on a busy machine, too.
    let command = "head -c 50000000 /dev/zero > \"$OUTPUT1_STAGING_DIR/grows\"
                   for writer in 1 2 3 4; do
                       (trap '' TERM; while :; do echo x; done >> \"$OUTPUT1_STAGING_DIR/grows\") &
                   done
                   sleep 0.1";
    let attempt = stack.run(shell(command, vec![])).await;
    let message = message(&attempt, "ActivityFailed:Output");
    assert!(
        message.contains("`grows` changed after the command had ended; let the command wait"),
        "{message}"
    );
    assert_eq!(keys(&stack, "out").await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn files_for_an_output_with_a_file_path_are_not_lost_without_a_word() {
    let stack = Stack::start().await;
    stack.put("in/a", "1").await;
    let file = || {
        let path = format!("s3://{BUCKET}/out.csv");
        object("Out", vec![string("type", "S3DataNode"), string("filePath", &path)])
    };
    for (command, status) in [("true", "FINISHED"), ("date > $OUTPUT1_STAGING_DIR/out.csv", "FAILED")] {
        let mut objects = shell(command, vec![]);
        objects.retain(|object| object.id() != "Out");
        objects.push(file());
        let attempt = stack.run(objects).await;
        assert_eq!(value(&attempt, "@status"), status, "{attempt:?}");
        if status == "FAILED" {
            let said = message(&attempt, "ActivityFailed:Output");
            assert!(said.contains("the command wrote `out.csv`, which is not uploaded"), "{said}");
        }
    }
}

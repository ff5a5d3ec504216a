//! Access to the endpoints, as the AWS CLI and boto3 see it: presigned URLs, forms of browsers, and requests
//! that are refused with a reason.

use e2e::{definitions::shipped_folder, program::Up};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{PROGRAM, clients::bash};

async fn start() -> Up {
    Up::start(PROGRAM, &["--definitions", shipped_folder().to_str().expect("UTF-8")]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn boto3_presigns_urls_and_forms() {
    let up = start().await;
    let said = bash(
        &up,
        r#"python - <<'PYTHON'
import boto3, requests
from botocore.config import Config
bucket, key = "downspout-results", "a/b c+ü:1.csv"
s3 = boto3.client("s3", config=Config(signature_version="s3v4"))
put = s3.generate_presigned_url("put_object", {"Bucket": bucket, "Key": key, "Metadata": {"owner": "me"}})
assert requests.put(put, b"content", headers={"x-amz-meta-owner": "me"}).status_code == 200
added = requests.put(put, b"content", headers={"x-amz-meta-owner": "me", "x-amz-copy-source": "/x/y"})
assert (added.status_code, "<HeadersNotSigned>x-amz-copy-source<" in added.text) == (403, True), added.text
get = s3.generate_presigned_url("get_object", {"Bucket": bucket, "Key": key})
for url in (get, get.replace("/a/b", "/a%2Fb"), get.replace("/a/b", "/a%2fb")):
    answer = requests.get(url)
    assert (answer.status_code, answer.content) == (200, b"content"), (url, answer.text)
    assert answer.headers["x-amz-request-id"]
old = boto3.client("s3").generate_presigned_url("get_object", {"Bucket": bucket, "Key": key})
answer = requests.get(old)
assert answer.status_code == 400, "version 2, which boto3 takes by default in us-east-1"
assert "aws configure set default.s3.signature_version s3v4" in answer.text, answer.text

form = s3.generate_presigned_post(bucket, "forms/${filename}", Fields={"success_action_status": "201"},
    Conditions=[{"success_action_status": "201"}, ["content-length-range", 1, 100]])
def upload(content, **more):
    return requests.post(form["url"], data={**form["fields"], **more}, files={"file": ("daily.csv", content)})
answer = upload(b"content")
assert (answer.status_code, "<Key>forms/daily.csv</Key>" in answer.text) == (201, True), answer.text
assert s3.get_object(Bucket=bucket, Key="forms/daily.csv")["Body"].read() == b"content"
for answer, code in ((upload(b"x" * 101), "EntityTooLarge"), (upload(b"content", acl="public-read"), "AccessDenied"),
                     (upload(b"content", key="other/x"), "AccessDenied")):
    assert f"<Code>{code}</Code>" in answer.text, answer.text
assert [o["Key"] for o in s3.list_objects_v2(Bucket=bucket)["Contents"]] == [key, "forms/daily.csv"]
print("done")
PYTHON"#,
    );
    assert_eq!(said.trim(), "done");
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_get_an_error_for_what_is_not_honoured() {
    let up = start().await;
    let said = bash(
        &up,
        r#"python - <<'PYTHON'
import boto3, os
from botocore.exceptions import ClientError
bucket = "downspout-results"
s3 = boto3.client("s3")
s3.put_object(Bucket=bucket, Key="kept", Body=b"content", ACL="private", ServerSideEncryption="AES256",
    StorageClass="STANDARD", ExpectedBucketOwner="000000000000")
key = os.urandom(32)
for asked in ({"SSECustomerAlgorithm": "AES256", "SSECustomerKey": key}, {"ACL": "public-read"},
              {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": "alias/mine"}, {"StorageClass": "GLACIER"},
              {"GrantRead": "id=1"}, {"ObjectLockLegalHoldStatus": "ON"}, {"WebsiteRedirectLocation": "/x"}):
    for call in (lambda: s3.put_object(Bucket=bucket, Key="refused", Body=b"content", **asked),
                 lambda: s3.copy_object(Bucket=bucket, Key="refused", CopySource=f"{bucket}/kept", **asked),
                 lambda: s3.create_multipart_upload(Bucket=bucket, Key="refused", **asked)):
        try:
            raise SystemExit(f"accepted: {asked} {call()}")
        except ClientError as error:
            assert error.response["Error"]["Code"] == "NotImplemented", error
            assert "leave the header out" in error.response["Error"]["Message"], error
            assert error.response["ResponseMetadata"]["RequestId"], error
try:
    raise SystemExit(s3.get_object(Bucket=bucket, Key="kept", SSECustomerAlgorithm="AES256", SSECustomerKey=key))
except ClientError as error:
    assert error.response["Error"]["Code"] == "NotImplemented", error
try:
    raise SystemExit(s3.get_object(Bucket=bucket, Key="kept", ExpectedBucketOwner="111122223333"))
except ClientError as error:
    assert error.response["Error"]["Code"] == "AccessDenied", error
assert [o["Key"] for o in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["kept"]
print("done")
PYTHON
(aws s3 cp --acl public-read orders.csv s3://downspout-results/orders.csv 2>&1 || true) | grep -o NotImplemented"#,
    );
    assert_eq!(said.lines().collect::<Vec<_>>(), ["done", "NotImplemented"]);
    assert!(!up.log().contains("ERROR"), "a refusal is not an error of the stack:\n{}", up.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_endpoint_of_the_stack_refuses_unknown_hosts() {
    let definitions = shipped_folder();
    let options = ["--definitions", definitions.to_str().expect("UTF-8"), "--host-name", "stack.example.com"];
    let up = Up::start(PROGRAM, &options).await;
    let endpoints = &up.endpoints;
    for url in [&endpoints.s3, &endpoints.datapipeline, &endpoints.sns, &endpoints.admin] {
        for (host, is_known) in [("rebound.example", false), ("stack.example.com", true), ("localhost", true)]
        {
            let mut stream = TcpStream::connect(&url["http://".len()..]).await.expect("the endpoint listens");
            let request = format!(
                "POST /status HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
            );
            stream.write_all(request.as_bytes()).await.expect("a request is sent");
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.expect("an answer");
            assert!(answer.starts_with("HTTP/1.1 4"), "nobody gets in without a signature: {answer}");
            assert_eq!(answer.contains("does not serve the host"), !is_known, "{url} {host}: {answer}");
        }
    }
}

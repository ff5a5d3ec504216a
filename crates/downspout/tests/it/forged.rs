//! Forged requests: each is refused with the status and the code that AWS answers.
//!
//! The table `forged/requests.txt` says how each request is forged. The requests are signed by code of their own
//! (`forged/sign.rs`) and go over real sockets.

mod draft;
mod form;
mod sign;
mod table;

use http_front::{Hosts, Limits};
use sign::SignedRequest;
use table::Case;

use crate::endpoints::{Answer, Endpoints, PRIVATE, SERVICES, Service};

pub(crate) use draft::{Draft, RequestKind};

/// The list has at least this many forged requests.
const FEWEST: usize = 200;

async fn endpoints() -> Endpoints {
    let endpoints = Endpoints::start(Hosts::default(), Limits::default()).await;
    let put = Draft::new(Service::S3, RequestKind::Call)
        .with("path /drop/private")
        .with(&format!("body {PRIVATE}"));
    let answer = endpoints.send(Service::S3, &put.sign().to_bytes()).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    endpoints
}

fn is_expected(answer: &Answer, case: &Case) -> bool {
    let code = match case.service {
        Service::DataPipeline => format!("\"__type\":\"{}\"", case.code),
        Service::S3 | Service::Sns => format!("<Code>{}</Code>", case.code),
    };
    let has_code = case.code.is_empty() || answer.text.contains(&code);
    let has_id = case.service != Service::S3
        || (answer.text.contains("x-amz-request-id: ")
            && (answer.status < 400
                || (answer.text.contains("<RequestId>") && answer.text.contains("<Message>"))));
    answer.status == case.status && has_code && has_id
}

/// Returns the cases whose answers differ from the table.
async fn wrong(endpoints: &Endpoints, cases: &[Case]) -> Vec<String> {
    let mut wrong = Vec::new();
    for case in cases {
        let wire: SignedRequest = case.draft().sign();
        let answer = endpoints.send(case.service, &wire.to_bytes()).await;
        if !is_expected(&answer, case) {
            let Case { name, service, status, code, .. } = case;
            wrong.push(format!("{name} at {service:?}: expected {status} {code}, got {}", answer.text));
        }
        if case.status >= 400 && answer.text.contains(PRIVATE) {
            wrong.push(format!("{} gets a private content", case.name));
        }
    }
    wrong
}

#[tokio::test(flavor = "multi_thread")]
async fn every_forged_request_is_refused_as_aws_refuses_it() {
    let endpoints = endpoints().await;
    let cases = table::cases(include_str!("forged/requests.txt"));
    assert!(cases.len() >= FEWEST, "only {} forged requests", cases.len());
    let wrong = wrong(&endpoints, &cases).await;
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n\n"));
    let list = Draft::new(Service::S3, RequestKind::Call).with("method GET").with("path /drop").with("body");
    let listed = endpoints.send(Service::S3, &list.sign().to_bytes()).await;
    let keys: Vec<&str> =
        listed.text.split("<Key>").skip(1).filter_map(|rest| rest.split('<').next()).collect();
    assert_eq!(keys, ["private"], "a refused request left an object");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_legal_request_is_accepted() {
    let endpoints = endpoints().await;
    let cases = table::cases(include_str!("forged/legal.txt"));
    let wrong = wrong(&endpoints, &cases).await;
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_the_user_gave_is_served_by_every_endpoint() {
    let hosts = Hosts::with_names(["stack.example.com".to_owned()]);
    let endpoints = Endpoints::start(hosts, Limits::default()).await;
    for service in SERVICES {
        for (host, is_served) in [("stack.example.com:80", true), ("example.com", false)] {
            let call = Draft::new(service, RequestKind::Call).with(&format!("header host: {host}"));
            let answer = endpoints.send(service, &call.sign().to_bytes()).await;
            assert_eq!(answer.status == 200, is_served, "{service:?} {host}: {answer:?}");
        }
    }
}

//! The host against a model of EC2: two servers on one store, with calls that are lost before or after they took effect,
//! crashes, machines that end by themselves, and a user who cancels. There is never a second machine for an attempt, and in the
//! end no machine is left that no run wants.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_ec2::operation::run_instances::builders::RunInstancesInputBuilder;
use aws_sdk_ec2::types::{Instance, InstanceState, InstanceStateName, StateReason, Tag};
use jiff::Timestamp;
use proptest::prelude::*;
use server::host::{Host, MachineState};

use super::{ACCOUNT, resource, settings};
use crate::api::Api;
use crate::error::StartError;
use crate::host::Ec2Host;
use crate::view::Place;

/// How long EC2 describes a machine that has ended, in seconds.
const SHOWN_AFTER_END: i64 = 3600;
/// How long a machine starts and ends, in seconds.
const TRANSITION: i64 = 20;
/// How many rounds without faults the servers get in the end. Each takes ten seconds.
const CALM_ROUNDS: usize = 60;

/// The fate of a call of EC2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Done,
    /// The call does not arrive.
    LostBefore,
    /// The call takes effect, and its answer does not arrive.
    LostAfter,
    /// EC2 has no room.
    NoRoom,
}

/// A machine of the model.
#[derive(Clone, Debug)]
struct Made {
    tags: Vec<Tag>,
    started: i64,
    visible: i64,
    ended: Option<i64>,
}

/// EC2 as the model knows it.
#[derive(Default)]
struct Cloud {
    now: i64,
    /// How many seconds pass before EC2 shows a machine that it has started.
    delay: i64,
    fates: VecDeque<Fate>,
    machines: Vec<Made>,
    by_token: HashMap<String, (RunInstancesInputBuilder, usize)>,
}

#[derive(Clone, Default)]
struct Model(Arc<Mutex<Cloud>>);

impl Model {
    fn with<T>(&self, look: impl FnOnce(&mut Cloud) -> T) -> T {
        look(&mut self.0.lock().expect("no test thread panicked"))
    }
}

impl Cloud {
    fn describe(&self, number: usize) -> Instance {
        let made = &self.machines[number];
        let state = match made.ended {
            Some(ended) if self.now >= ended + TRANSITION => InstanceStateName::Terminated,
            Some(_) => InstanceStateName::ShuttingDown,
            None if self.now >= made.started + TRANSITION => InstanceStateName::Running,
            None => InstanceStateName::Pending,
        };
        Instance::builder()
            .instance_id(format!("i-{number}"))
            .state(InstanceState::builder().name(state).build())
            .state_reason(StateReason::builder().code("Server.SpotInstanceTermination").build())
            .set_tags(Some(made.tags.clone()))
            .build()
    }

    fn living(&self) -> usize {
        self.machines.iter().filter(|made| made.ended.is_none()).count()
    }

    fn fate(&mut self) -> Fate {
        self.fates.pop_front().unwrap_or(Fate::Done)
    }

    fn start(&mut self, request: RunInstancesInputBuilder) -> Result<Instance, StartError> {
        let token = request.get_client_token().clone().expect("a token");
        if let Some((earlier, number)) = self.by_token.get(&token) {
            return if *earlier == request {
                Ok(self.describe(*number))
            } else {
                Err(StartError::StartedBefore)
            };
        }
        let tags = request.get_tag_specifications().as_ref().expect("tags")[0].tags().to_vec();
        let (started, visible) = (self.now, self.now + self.delay);
        self.machines.push(Made { tags, started, visible, ended: None });
        let number = self.machines.len() - 1;
        self.by_token.insert(token, (request, number));
        Ok(self.describe(number))
    }
}

fn lost() -> anyhow::Error {
    anyhow::anyhow!("the call was lost")
}

#[async_trait]
impl Api for Model {
    async fn start(&self, region: &str, request: RunInstancesInputBuilder) -> Result<Instance, StartError> {
        assert_eq!(region, "us-east-1");
        self.with(|cloud| match cloud.fate() {
            Fate::LostBefore => Err(StartError::Again(lost())),
            Fate::NoRoom => Err(StartError::NoRoom("none".to_owned())),
            Fate::Done => cloud.start(request),
            Fate::LostAfter => cloud.start(request).and(Err(StartError::Again(lost()))),
        })
    }

    async fn describe(&self, region: &str, _engine: &str, _account: &str) -> anyhow::Result<Vec<Instance>> {
        self.with(|cloud| {
            let now = cloud.now;
            let is_shown = |made: &Made| {
                made.visible <= now && made.ended.is_none_or(|ended| now < ended + SHOWN_AFTER_END)
            };
            let numbers = (0..cloud.machines.len()).filter(|number| is_shown(&cloud.machines[*number]));
            let shown = numbers.map(|number| cloud.describe(number)).collect();
            match cloud.fate() {
                Fate::Done | Fate::NoRoom if region == "us-east-1" => Ok(shown),
                Fate::Done | Fate::NoRoom => Ok(Vec::new()),
                Fate::LostBefore | Fate::LostAfter => Err(lost()),
            }
        })
    }

    async fn end(&self, place: &Place) -> anyhow::Result<()> {
        self.with(|cloud| {
            let fate = cloud.fate();
            let number: usize = place.instance.trim_start_matches("i-").parse().expect("an id of the model");
            let now = cloud.now;
            // EC2 does not know a machine that it does not show yet, nor one that it forgot.
            if fate != Fate::LostBefore && cloud.machines[number].visible <= now {
                cloud.machines[number].ended.get_or_insert(now);
            }
            if matches!(fate, Fate::Done | Fate::NoRoom) { Ok(()) } else { Err(lost()) }
        })
    }
}

/// The state of the machine that the run wants.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Want {
    Present {
        reported: Option<String>,
    },
    Ended,
    /// The attempt is settled.
    Nothing,
}

/// A step of a history. The servers are numbered.
#[derive(Clone, Debug)]
enum Step {
    /// A server reconciles the machine; its calls have these fates. With `crash`, the server crashes before it reports the answer.
    Reconcile {
        server: usize,
        fates: Vec<Fate>,
        crash: bool,
    },
    /// A server read that the run wants the machine; the run ends, and only then the server asks the host.
    ReconcileLate {
        server: usize,
    },
    Crash {
        server: usize,
    },
    Pass {
        seconds: i64,
    },
    Cancel,
    /// EC2 or a command ends the machine.
    EndByItself,
    /// The servers get another default image.
    NewImage {
        server: usize,
    },
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        4 => Just(Fate::Done),
        1 => Just(Fate::LostBefore),
        1 => Just(Fate::LostAfter),
        1 => Just(Fate::NoRoom),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let server = 0..2_usize;
    prop_oneof![
        8 => (server.clone(), prop::collection::vec(fate(), 0..4), any::<bool>())
            .prop_map(|(server, fates, crash)| Step::Reconcile { server, fates, crash }),
        1 => server.clone().prop_map(|server| Step::ReconcileLate { server }),
        2 => server.clone().prop_map(|server| Step::Crash { server }),
        4 => (0..200_i64).prop_map(|seconds| Step::Pass { seconds }),
        1 => Just(Step::Cancel),
        1 => Just(Step::EndByItself),
        1 => server.prop_map(|server| Step::NewImage { server }),
    ]
}

/// The servers, EC2, and the run.
struct Play {
    cloud: Model,
    images: [u32; 2],
    hosts: [Ec2Host<Model>; 2],
    want: Want,
}

fn host(cloud: &Model, image: u32) -> Ec2Host<Model> {
    let settings = crate::Settings { image: format!("ami-{image}"), ..settings("model") };
    let mut host =
        Ec2Host::new(Arc::new(settings), ACCOUNT, Arc::new(cloud.clone()), Arc::new(|_| Vec::new()));
    host.fresh = Duration::ZERO;
    let clock = cloud.clone();
    host.now = Box::new(move || Timestamp::from_second(clock.with(|cloud| cloud.now)).expect("is a time"));
    host
}

impl Play {
    fn new(delay: i64) -> Self {
        let cloud = Model::default();
        cloud.with(|cloud| cloud.delay = delay);
        let hosts = [host(&cloud, 1), host(&cloud, 1)];
        Self { cloud, images: [1, 1], hosts, want: Want::Present { reported: None } }
    }

    fn crash(&mut self, server: usize) {
        self.hosts[server] = host(&self.cloud, self.images[server]);
    }

    async fn take(&mut self, step: Step) {
        match step {
            Step::Reconcile { server, fates, crash } => {
                self.cloud.with(|cloud| cloud.fates = fates.into());
                self.reconcile(server, crash).await;
                self.cloud.with(|cloud| cloud.fates.clear());
            }
            Step::ReconcileLate { server } => {
                let Want::Present { reported } = self.want.clone() else { return };
                self.want = Want::Ended;
                self.reconcile(1 - server, false).await;
                // The run does not take this answer.
                let _ = self.hosts[server].create(&wanted(reported.as_deref())).await;
            }
            Step::Crash { server } => self.crash(server),
            Step::Pass { seconds } => self.cloud.with(|cloud| cloud.now += seconds),
            Step::Cancel if matches!(self.want, Want::Present { .. }) => self.want = Want::Ended,
            Step::Cancel => {}
            Step::EndByItself => self.cloud.with(|cloud| {
                let now = cloud.now;
                cloud.machines.iter_mut().for_each(|made| {
                    made.ended.get_or_insert(now);
                });
            }),
            Step::NewImage { server } => {
                self.images[server] += 1;
                self.crash(server);
            }
        }
    }

    /// Acts like the driver: asks for the machine that the run wants, reports the answer, and ends machines that no run wants.
    async fn reconcile(&mut self, server: usize, crash: bool) {
        let host = &self.hosts[server];
        let new = match &self.want {
            Want::Present { reported } => match host.create(&wanted(reported.as_deref())).await {
                Ok(MachineState::Creating(fields) | MachineState::Running(fields)) => {
                    let named = fields.iter().find(|field| field.key == "@resourceId");
                    let id = named.map(|field| match &field.value {
                        definition::FieldValue::String(text) => text.clone(),
                        definition::FieldValue::Ref(_) => unreachable!("it is a text"),
                    });
                    Want::Present { reported: id.or_else(|| reported.clone()) }
                }
                Ok(MachineState::Gone(_)) => Want::Nothing,
                Err(_) => self.want.clone(),
            },
            Want::Ended | Want::Nothing => match host.terminate(&wanted(None).id).await {
                Ok(true) => Want::Nothing,
                Ok(false) | Err(_) => self.want.clone(),
            },
        };
        if crash {
            self.crash(server);
        } else {
            self.want = new;
        }
    }

    /// Ends the machines that the host lists and no run wants.
    async fn sweep(&self, server: usize) {
        let listed = self.hosts[server].existing().await.expect("no faults");
        for id in listed {
            if !matches!(self.want, Want::Present { .. }) {
                self.hosts[server].terminate(&id).await.expect("no faults");
            }
        }
    }
}

fn wanted(reported: Option<&str>) -> server::host::Resource {
    let fields: Vec<_> = reported.map(|id| ("@resourceId", id)).into_iter().collect();
    resource("Box", 1, &fields)
}

#[tokio::test]
async fn a_machine_that_ended_with_its_server_is_listed_once() {
    let mut play = Play::new(0);
    play.reconcile(0, false).await;
    play.take(Step::EndByItself).await;
    play.take(Step::Pass { seconds: 60 }).await;
    let other = &play.hosts[1];
    assert_eq!(other.existing().await.expect("no faults"), [wanted(None).id]);
    assert_eq!(other.existing().await.expect("no faults"), []);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, ..ProptestConfig::default() })]

    #[test]
    fn an_attempt_never_has_two_machines_and_none_is_left_over(
        delay in 0..100_i64,
        steps in prop::collection::vec(step(), 1..40),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(async {
            let mut play = Play::new(delay);
            for step in steps {
                play.take(step).await;
                prop_assert!(play.cloud.with(|cloud| cloud.machines.len()) <= 1, "a second machine was started");
            }
            for round in 0..CALM_ROUNDS {
                play.cloud.with(|cloud| cloud.now += 10);
                play.reconcile(round % 2, false).await;
                play.sweep(round % 2).await;
            }
            let living = play.cloud.with(|cloud| cloud.living());
            match &play.want {
                Want::Present { reported } => {
                    prop_assert_eq!((living, reported.as_deref()), (1, Some("i-0")));
                }
                Want::Nothing => prop_assert_eq!(living, 0, "a machine is left over"),
                Want::Ended => prop_assert!(false, "the run waits for ever for the end of its machine"),
            }
            prop_assert!(play.cloud.with(|cloud| cloud.machines.len()) <= 1, "a second machine was started");
            Ok(())
        })?;
    }
}

//! Definitions that are made by chance: chains, diamonds and similar graphs, with retries, time limits, preconditions and
//! alarms.

use serde_json::{Value, json};

use super::dice::Dice;

/// The worker groups of the activities.
pub(super) const GROUPS: [&str; 2] = ["g0", "g1"];

/// A definition that is made by chance, in the form of the API.
pub(super) struct Recipe {
    objects: Vec<Object>,
    /// The ids of the components that can be paused.
    pub(super) components: Vec<String>,
    pub(super) is_on_demand: bool,
}

struct Object {
    id: String,
    fields: Vec<Value>,
}

impl Object {
    fn new(id: impl Into<String>) -> Self {
        Self { id: id.into(), fields: Vec::new() }
    }

    fn text(mut self, key: &str, value: impl Into<String>) -> Self {
        self.fields.push(json!({ "key": key, "stringValue": value.into() }));
        self
    }

    fn refers(mut self, key: &str, target: &str) -> Self {
        self.fields.push(json!({ "key": key, "refValue": target }));
        self
    }

    /// Adds a field with one of the texts, in `per_mille` of a thousand cases.
    fn maybe(self, dice: &Dice, per_mille: usize, key: &str, texts: &[&str]) -> Self {
        if dice.chance(per_mille) { self.text(key, *dice.one_of(texts)) } else { self }
    }

    fn maybe_refers(self, dice: &Dice, per_mille: usize, key: &str, target: &str) -> Self {
        if dice.chance(per_mille) { self.refers(key, target) } else { self }
    }
}

/// The properties of a whole pipeline.
struct Style {
    schedule: &'static str,
    is_on_demand: bool,
    has_long_schedule: bool,
}

impl Recipe {
    /// Makes a definition. Keeps the schedules of `like`, since a pipeline cannot change them.
    pub(super) fn new(dice: &Dice, like: Option<&Self>) -> Self {
        let schedule = *dice.one_of(&["ondemand", "ondemand", "cron", "timeseries"]);
        let is_on_demand = schedule == "ondemand";
        let style = Style { schedule, is_on_demand, has_long_schedule: !is_on_demand && dice.chance(200) };
        let mut recipe = Self { objects: Vec::new(), components: Vec::new(), is_on_demand };
        recipe.activities(dice, &style);
        recipe.preconditions(dice);
        recipe.components.extend(["Landed", "Request"].map(str::to_owned));
        recipe.actions();
        match like {
            Some(like) => recipe.take_frame(dice, like),
            None => recipe.frame(dice, &style),
        }
        recipe
    }

    /// Returns the objects in the form of PutPipelineDefinition. The number `put` identifies the put in the stored
    /// definition.
    pub(super) fn objects(&self, put: usize) -> Value {
        let object = |object: &Object| {
            let mut fields = object.fields.clone();
            if object.id == "Default" {
                fields.push(json!({ "key": "myPut", "stringValue": put.to_string() }));
            }
            json!({ "id": object.id, "name": object.id, "fields": fields })
        };
        self.objects.iter().map(object).collect()
    }

    fn activities(&mut self, dice: &Dice, style: &Style) {
        let count = 1 + dice.below(5);
        // The shape: a chain, a tree, a random graph, or a diamond.
        let shape = dice.below(4);
        for number in 0..count {
            let id = format!("A{number}");
            let mut object = Object::new(&id)
                .text("type", "ShellCommandActivity")
                .text("command", "true")
                .maybe(dice, 300, "workerGroup", &GROUPS)
                .maybe(dice, 250, "attemptTimeout", &["10 minutes", "25 minutes"])
                .maybe(dice, 250, "reportProgressTimeout", &["3 minutes", "8 minutes"])
                .maybe(dice, 200, "maximumRetries", &["0", "1", "3"])
                .maybe(dice, 200, "failureAndRerunMode", &["cascade", "none"])
                .maybe_refers(dice, 250, "onFail", "Told")
                .maybe_refers(dice, 250, "onSuccess", "Told")
                .maybe_refers(dice, 150, "precondition", "Landed")
                .maybe_refers(dice, 100, "precondition", "Filled")
                .maybe_refers(dice, 150, "precondition", "Request");
            for earlier in predecessors(dice, shape, number) {
                object = object.refers("dependsOn", &format!("A{earlier}"));
            }
            if number > 0 && dice.chance(250) {
                let node = format!("N{number}");
                let (last, writer) = (self.objects.len() - 1, dice.below(self.objects.len()));
                let writer = if self.objects[writer].id.starts_with('A') { writer } else { last };
                if self.objects[writer].id.starts_with('A') {
                    let output = json!({ "key": "output", "refValue": node });
                    self.objects[writer].fields.push(output);
                    object = object.refers("input", &node);
                    let data = Object::new(&node).text("type", "S3DataNode");
                    let data = data.text("filePath", format!("s3://b/{node}"));
                    self.objects.push(data.maybe_refers(dice, 300, "precondition", "There"));
                    self.components.push(node);
                }
            }
            if style.has_long_schedule && number + 1 == count && count > 1 {
                object = object.refers("schedule", "Long");
            }
            self.objects.push(object);
            self.components.push(id);
        }
    }

    fn preconditions(&mut self, dice: &Dice) {
        let landed = Object::new("Landed")
            .text("type", "S3KeyExists")
            .text("s3Key", "s3://b/landed")
            .text("role", "r")
            .maybe(dice, 500, "maximumRetries", &["0", "1"])
            .maybe(dice, 500, "preconditionTimeout", &["20 minutes", "2 hours"]);
        let filled =
            Object::new("Filled").text("type", "S3PrefixNotEmpty").text("s3Prefix", "s3://b/filled/");
        let request = Object::new("Request")
            .text("type", "ShellCommandPrecondition")
            .text("command", "true")
            .maybe(dice, 700, "retryDelay", &["2 minutes", "5 minutes"])
            .maybe(dice, 500, "preconditionTimeout", &["15 minutes", "1 hour"]);
        let there = Object::new("There").text("type", "Exists").refers("onFail", "Told");
        self.objects.extend([landed, filled.text("role", "r"), request, there.text("role", "r")]);
    }

    fn actions(&mut self) {
        let alarm = |id: &str, message: &str| {
            let object = Object::new(id).text("type", "SnsAlarm").text("role", "r");
            let object = object.text("topicArn", format!("arn:aws:sns:us-east-1:000000000000:{id}"));
            object.text("subject", "news").text("message", message)
        };
        self.objects.push(alarm("Told", "#{node.name}"));
        self.objects.push(alarm("Once", "the run is over").text("myOncePerRun", "true"));
        self.objects.push(Object::new("Stop").text("type", "Terminate"));
    }

    fn frame(&mut self, dice: &Dice, style: &Style) {
        let mut default = Object::new("Default")
            .text("scheduleType", style.schedule)
            .text("workerGroup", "g0")
            .maybe(dice, 800, "maximumRetries", &["0", "1", "2"])
            .maybe(dice, 900, "retryDelay", &["1 minute", "4 minutes"])
            .maybe(dice, 500, "failureAndRerunMode", &["cascade"])
            .maybe(dice, 600, "maxActiveInstances", &["1", "2", "3"])
            .maybe_refers(dice, 250, "onFail", "Told")
            .maybe_refers(dice, 500, "onFail", "Once")
            .maybe_refers(dice, 400, "onSuccess", "Once");
        if !style.is_on_demand {
            default = default.refers("schedule", "Often");
            if dice.chance(500) {
                default = default.text("lateAfterTimeout", *dice.one_of(&["10 minutes", "40 minutes"]));
                default = default.refers("onLateAction", dice.one_of::<&str>(&["Told", "Stop", "Told"]));
            }
            self.schedules(dice, style);
        }
        self.objects.push(default);
    }

    fn schedules(&mut self, dice: &Dice, style: &Style) {
        // The clock of a simulation begins at 17:46:40 on this day.
        let start = *dice.one_of(&["2030-03-17T15:00:00", "2030-03-17T17:00:00", "2030-03-17T19:00:00"]);
        let schedule = |id: &str, period: &str, count: usize| {
            let object = Object::new(id).text("type", "Schedule").text("period", period);
            object.text("occurrences", count.to_string())
        };
        if style.has_long_schedule {
            let often = schedule("Often", "1 hour", 4).text("startDateTime", start);
            let long = schedule("Long", "2 hours", 2).text("startDateTime", start);
            return self.objects.extend([often, long]);
        }
        let is_rare = dice.chance(50);
        let period = if is_rare { "1 day" } else { dice.one_of(&["15 minutes", "30 minutes", "1 hour"]) };
        let often = schedule("Often", period, 1 + dice.below(if is_rare { 2 } else { 5 }));
        self.objects.push(match dice.chance(300) {
            true => often.text("startAt", "FIRST_ACTIVATION_DATE_TIME"),
            false => often.text("startDateTime", start),
        });
    }

    /// Copies the Default and the schedules of another definition, in half of the cases without `maximumRetries`.
    /// Removes references to the schedule `Long` if the other definition does not have it.
    fn take_frame(&mut self, dice: &Dice, like: &Self) {
        self.is_on_demand = like.is_on_demand;
        let has_long = like.objects.iter().any(|object| object.id == "Long");
        for object in &mut self.objects {
            object.fields.retain(|field| has_long || field["refValue"] != "Long");
        }
        for object in like.objects.iter().filter(|it| ["Default", "Often", "Long"].contains(&it.id.as_str()))
        {
            let mut fields = object.fields.clone();
            if object.id == "Default" && dice.chance(500) {
                fields.retain(|field| field["key"] != "maximumRetries");
            }
            self.objects.push(Object { id: object.id.clone(), fields });
        }
    }
}

fn predecessors(dice: &Dice, shape: usize, number: usize) -> Vec<usize> {
    match (shape, number) {
        (_, 0) => Vec::new(),
        (0, _) => vec![number - 1],
        (1, _) => vec![dice.below(number)],
        (2, _) => (0..number).filter(|_| dice.chance(400)).collect(),
        // A diamond: `A1` and `A2` come after `A0`, and each later one comes after all activities between it and `A0`.
        _ if number + 1 < 4 => vec![0],
        _ => (1..number).collect(),
    }
}

//! Actions: reactions to the outcome of an object.

use super::{
    Group,
    shared_fields::PLAIN,
    spec::{FieldSpec, KindSpec, boolean, text, to_any},
    typed_field::Defaulted,
};

const NODE: FieldSpec = to_any("node", "The object whose outcome caused the action.").runtime();

pub(super) static SNS_ALARM: KindSpec = KindSpec {
    name: "SnsAlarm",
    group: Group::Action,
    doc: "Publishes a message to an SNS topic.",
    fields: &[
        text("topicArn", "ARN of the topic, arn:aws:sns:...").required(),
        text("subject", "Subject of the message: one line of at most 100 characters.").required(),
        text(
            "message",
            "Text of the message; expressions such as #{node.errorMessage} describe the outcome.",
        )
        .required(),
        text("role", "IAM role that the service uses to publish; usually on the Default object.").required(),
        NODE,
    ],
    includes: PLAIN,
    one_of: &[],
    my_fields: &[MY_ONCE_PER_RUN.spec()],
};

/// `myOncePerRun`.
pub const MY_ONCE_PER_RUN: Defaulted<bool> = boolean(
    "myOncePerRun",
    "Whether to send one message about the whole run at its end, instead of one message for each object.",
)
.typed()
.or("false");

pub(super) static TERMINATE: KindSpec = KindSpec {
    name: "Terminate",
    group: Group::Action,
    doc: "Cancels an object that is late; used in onLateAction.",
    fields: &[NODE],
    includes: PLAIN,
    one_of: &[],
    my_fields: &[],
};

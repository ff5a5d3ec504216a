//! Keeps secrets out of responses. A response has a mask instead, and a mask that a client sends back means
//! "unchanged".

use definition::{Definition, Field, FieldValue};
use engine::MASK;

/// Returns the definition with a mask in place of every secret.
pub(crate) fn masked(mut definition: Definition) -> Definition {
    for field in definition.objects.iter_mut().flat_map(|object| &mut object.fields) {
        mask_field(field);
    }
    for parameter in definition.parameters.iter_mut().filter(|parameter| is_secret(&parameter.id)) {
        for attribute in parameter.attributes.iter_mut().filter(|attribute| attribute.key == "default") {
            attribute.value = MASK.to_owned();
        }
    }
    for value in definition.values.iter_mut().filter(|value| is_secret(&value.id)) {
        value.value = MASK.to_owned();
    }
    definition
}

fn mask_field(field: &mut Field) {
    match &mut field.value {
        // An expression holds no secret, and a mask would hide which parameter the field uses.
        FieldValue::String(text) if field.key.is_secret() && !is_expression(text) => MASK.clone_into(text),
        FieldValue::String(_) | FieldValue::Ref(_) => {}
    }
}

/// Replaces each mask in `new` by the stored secret, so that a client can get a definition, edit it and put it.
pub(crate) fn unmasked(mut new: Definition, stored: &Definition) -> Definition {
    for object in &mut new.objects {
        let before = stored.object(object.id.as_str());
        for field in object.fields.iter_mut().filter(|field| field.key.is_secret()) {
            let kept = before.and_then(|before| before.string(field.key.as_str()));
            if let (FieldValue::String(text), Some(kept)) = (&mut field.value, kept) {
                restore(text, kept);
            }
        }
    }
    for parameter in new.parameters.iter_mut().filter(|parameter| is_secret(&parameter.id)) {
        let before = stored.parameters.iter().find(|before| before.id == parameter.id);
        let kept = before.and_then(|before| before.attribute("default"));
        for attribute in parameter.attributes.iter_mut().filter(|attribute| attribute.key == "default") {
            kept.into_iter().for_each(|kept| restore(&mut attribute.value, kept));
        }
    }
    unmask_values(&mut new.values, stored);
    new
}

/// Replaces each parameter value that is a mask by the stored value.
pub(crate) fn unmask_values(values: &mut [definition::ParameterValue], stored: &Definition) {
    for value in values.iter_mut().filter(|value| is_secret(&value.id)) {
        if let Some(kept) = stored.values.iter().find(|kept| kept.id == value.id) {
            restore(&mut value.value, &kept.value);
        }
    }
}

fn restore(text: &mut String, kept: &str) {
    if text == MASK {
        kept.clone_into(text);
    }
}

fn is_secret(parameter: &str) -> bool {
    parameter.starts_with('*')
}

/// Returns whether the text is one expression `#{...}` and nothing else.
fn is_expression(text: &str) -> bool {
    text.strip_prefix("#{")
        .and_then(|rest| rest.strip_suffix('}'))
        .is_some_and(|inside| !inside.contains('}'))
}

#[cfg(test)]
mod tests {
    use definition::{ParameterAttribute, ParameterObject, ParameterValue, PipelineObject};

    use super::*;

    fn definition(secret: &str) -> Definition {
        let fields = vec![
            Field::string("username", "me"),
            Field::string("*password", secret),
            Field::string("*other", "#{*myPw}"),
        ];
        let attribute = ParameterAttribute { key: "default".to_owned(), value: secret.to_owned() };
        Definition {
            objects: vec![PipelineObject { id: "Db".into(), name: "Db".to_owned(), fields }],
            parameters: vec![ParameterObject { id: "*myPw".to_owned(), attributes: vec![attribute] }],
            values: vec![ParameterValue { id: "*myPw".to_owned(), value: secret.to_owned() }],
        }
    }

    #[test]
    fn secrets_are_masked_and_expressions_are_not() {
        let shown = format!("{:?}", masked(definition("hush")));
        assert!(!shown.contains("hush"));
        assert!(shown.contains("#{*myPw}") && shown.contains("\"me\""));
    }

    #[test]
    fn a_mask_that_comes_back_keeps_what_is_stored() {
        let stored = definition("hush");
        assert_eq!(unmasked(masked(stored.clone()), &stored), stored);
        assert_eq!(unmasked(definition("new"), &stored), definition("new"));
    }
}

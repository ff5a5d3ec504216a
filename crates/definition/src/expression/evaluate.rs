//! Computes the value of an expression in a scope.

use super::{
    Budget, EvaluateError, Scope, Value, functions,
    parser::{Expr, Name, Operator},
    value::Number,
};

/// The maximum length of a list. An operator between two lists gives a result for each pair of elements, so
/// without a limit, a hostile definition could make very long lists.
pub(super) const MAX_ELEMENTS: usize = 10_000;

/// The steps that one name costs, because a scope may search several places for it.
const STEPS_OF_A_NAME: usize = 4;

/// The scope of an expression, and the budget of its evaluation.
#[derive(Clone, Copy)]
pub(super) struct Context<'s> {
    pub(super) scope: &'s dyn Scope,
    pub(super) budget: &'s Budget,
}

/// Computes `expr`. If the scope allows unknown names, as alarms do, an expression that cannot be computed
/// becomes the empty text.
pub(super) fn value(expr: &Expr<'_>, context: Context<'_>) -> Result<Value, EvaluateError> {
    match compute(expr, context) {
        Err(_) if context.scope.blank_when_unknown() => Ok(Value::String(String::new())),
        result => result,
    }
}

fn compute(expr: &Expr<'_>, context: Context<'_>) -> Result<Value, EvaluateError> {
    let budget = context.budget;
    budget.spend_steps(1)?;
    match expr {
        Expr::Literal(value, _) => Ok(value.clone()),
        Expr::Path(names, _) => path(names, context),
        Expr::Negative(inner) => {
            operate(Operator::Minus, &Value::Integer(0), &compute(inner, context)?, budget)
        }
        Expr::Chain(first, rest) => {
            let mut total = compute(first, context)?;
            for (operator, operand) in rest {
                total = operate(*operator, &total, &compute(operand, context)?, budget)?;
            }
            Ok(total)
        }
        Expr::Call { function, arguments, .. } => {
            let mut computed = Vec::with_capacity(arguments.len());
            for argument in arguments {
                computed.push(compute(argument, context)?);
            }
            call(function, computed, budget)
        }
    }
}

fn path(names: &[Name<'_>], Context { scope, budget }: Context<'_>) -> Result<Value, EvaluateError> {
    budget.spend_steps(STEPS_OF_A_NAME)?;
    // `node.output.@actualEndTime` is not supported. Only one reference may come before a runtime field.
    let is_transitive = names.len() > 2 && names.last().is_some_and(|name| name.starts_with('@'));
    match lookup(names, scope) {
        Some(value) if !is_transitive => {
            budget.spend_value(&value)?;
            Ok(value)
        }
        _ if scope.blank_when_unknown() => Ok(Value::String(String::new())),
        _ => Err(EvaluateError::Unknown { name: names.join(".") }),
    }
}

fn lookup(names: &[Name<'_>], scope: &dyn Scope) -> Option<Value> {
    match names {
        [] => None,
        [name] => scope.value(name),
        [name, rest @ ..] => lookup(rest, scope.follow(name)?.as_ref()),
    }
}

/// Calls a function. If an argument is a list, the function is called once with each element of the list, and
/// the result is the list of all results.
fn call(function: &str, arguments: Vec<Value>, budget: &Budget) -> Result<Value, EvaluateError> {
    let Some(at) = arguments.iter().position(|argument| matches!(argument, Value::List(_))) else {
        return functions::call(function, &arguments);
    };
    let mut results = Vec::new();
    for element in elements(&arguments[at]) {
        budget.spend_steps(1)?;
        arguments.iter().try_for_each(|argument| budget.spend_value(argument))?;
        let mut arguments = arguments.clone();
        arguments[at] = element;
        extend(&mut results, call(function, arguments, budget)?)?;
    }
    Ok(Value::List(results))
}

fn operate(operator: Operator, left: &Value, right: &Value, budget: &Budget) -> Result<Value, EvaluateError> {
    if !matches!(left, Value::List(_)) && !matches!(right, Value::List(_)) {
        return apply(operator, left, right, budget);
    }
    let mut results = Vec::new();
    for left in elements(left) {
        budget.spend_steps(1)?;
        budget.spend_value(right)?;
        for right in elements(right) {
            budget.spend_steps(1)?;
            extend(&mut results, apply(operator, &left, &right, budget)?)?;
        }
    }
    Ok(Value::List(results))
}

/// Returns the elements of a list, including those of lists inside it. For any other value, the only element
/// is the value itself.
pub(super) fn elements(value: &Value) -> Vec<Value> {
    match value {
        Value::List(items) => items.iter().flat_map(elements).collect(),
        other => vec![other.clone()],
    }
}

fn extend(results: &mut Vec<Value>, value: Value) -> Result<(), EvaluateError> {
    results.extend(elements(&value));
    if results.len() > MAX_ELEMENTS { Err(EvaluateError::TooLong) } else { Ok(()) }
}

fn apply(operator: Operator, left: &Value, right: &Value, budget: &Budget) -> Result<Value, EvaluateError> {
    let is_text = |value: &Value| matches!(value, Value::String(_) | Value::Reference(_));
    if operator == Operator::Plus && (is_text(left) || is_text(right)) {
        let joined = left.to_text() + &right.text();
        budget.spend_bytes(joined.len())?;
        return if joined.len() > super::MAX_BYTES {
            Err(EvaluateError::TooLong)
        } else {
            Ok(Value::String(joined))
        };
    }
    let number = |value: &Value| {
        value.to_number().ok_or_else(|| EvaluateError::Type { expected: "a number", found: value.describe() })
    };
    match (number(left)?, number(right)?) {
        (Number::Integer(left), Number::Integer(right)) if operator != Operator::Power => {
            integers(operator, left, right).map(Value::Integer)
        }
        (left, right) => doubles(operator, left.to_double(), right.to_double()).map(Value::Double),
    }
}

fn integers(operator: Operator, left: i64, right: i64) -> Result<i64, EvaluateError> {
    let result = match operator {
        Operator::Plus => left.checked_add(right),
        Operator::Minus => left.checked_sub(right),
        Operator::Times => left.checked_mul(right),
        Operator::Divided if right == 0 => return Err(EvaluateError::DivisionByZero),
        // Rounds toward zero, as Java does.
        Operator::Divided => left.checked_div(right),
        Operator::Power => None,
    };
    result.ok_or(EvaluateError::Overflow)
}

fn doubles(operator: Operator, left: f64, right: f64) -> Result<f64, EvaluateError> {
    match operator {
        Operator::Plus => Ok(left + right),
        Operator::Minus => Ok(left - right),
        Operator::Times => Ok(left * right),
        Operator::Divided if right == 0.0 => Err(EvaluateError::DivisionByZero),
        Operator::Divided => Ok(left / right),
        Operator::Power => Ok(left.powf(right)),
    }
}

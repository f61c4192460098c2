//! What an entry of the table says.

use std::future::Future;
use std::sync::Arc;

use axum::response::Response;
use axum::routing::MethodRouter;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use proto::code::Code;
use proto::limit::BODY_BYTES_MAX;
use proto::resource::Scope;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::Value;

use super::call::Call;
use crate::api_error::ApiError;
use crate::door::Door;

/// Who may call an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// A token of this scope.
    Scope(Scope),
    /// The secret of the trigger that `{id}` names, itself or by a conversation, or a token of this scope.
    Trigger(Scope),
    /// Whoever may send events to the trigger that `{id}` names.
    Event,
    /// Anybody.
    Open,
}

/// How an operation is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    /// It reads.
    Get,
    /// It changes something.
    Post,
    /// By any method; the document shows POST.
    Any,
}

/// A handler that is given a call.
pub(crate) type Handler = Arc<dyn Fn(Call) -> BoxFuture<'static, Result<Response, ApiError>> + Send + Sync>;

/// What answers.
pub(crate) enum Run {
    /// A handler behind the common checks.
    Call(Handler),
    /// A handler that takes the request as it came, and checks for itself what [`Access`] says.
    Raw(Box<MethodRouter<Arc<Door>>>),
}

/// Makes a schema in a document's own list.
pub(crate) type SchemaOf = fn(&mut SchemaGenerator) -> Schema;

/// A schema with an example.
#[derive(Debug, Clone)]
pub(crate) struct Form {
    /// The schema.
    pub(crate) schema: SchemaOf,
    /// The example, which fits it.
    pub(crate) example: Value,
}

impl Form {
    /// The form of a type.
    pub(crate) fn of<T: JsonSchema>(example: Value) -> Self {
        Self { schema: |generator| generator.subschema_for::<T>(), example }
    }
}

/// What an operation answers with status 200.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    /// An object.
    Object(Form),
    /// A page of items as JSON, or all of them as JSON lines or server-sent events.
    List(Form),
    /// The same, also as CSV.
    Export(Form),
    /// An object as JSON, or what leads to it as JSON lines or server-sent events.
    Stream {
        /// The object.
        object: Form,
        /// One line.
        line: Form,
    },
    /// JSON lines or server-sent events only.
    Lines(Form),
    /// A document of this media type.
    Other(&'static str),
}

/// A query parameter or header.
#[derive(Debug, Clone)]
pub(crate) struct Parameter {
    /// Its name.
    pub(crate) name: &'static str,
    /// Where it stands: `query` or `header`.
    pub(crate) place: &'static str,
    /// What it does.
    pub(crate) description: &'static str,
    /// Its schema.
    pub(crate) schema: Value,
}

/// One operation.
pub(crate) struct Operation {
    /// Its name, such as `createTrigger`.
    pub(crate) id: &'static str,
    /// How it is called.
    pub(crate) method: Method,
    /// Its path without prefix, with `{id}` for what varies. The same place has the same name in all paths.
    pub(crate) path: &'static str,
    /// Whether it is served without a prefix too.
    pub(crate) is_bare: bool,
    /// Its chapter in the reference.
    pub(crate) tag: &'static str,
    /// What it does, in a line.
    pub(crate) summary: &'static str,
    /// What is worth knowing besides.
    pub(crate) description: &'static str,
    /// Who may call it.
    pub(crate) access: Access,
    /// What its query and headers may say.
    pub(crate) parameters: Vec<Parameter>,
    /// What its body says; none where it has none.
    pub(crate) body: Option<Form>,
    /// Largest body, in bytes.
    pub(crate) bytes_max: usize,
    /// What it answers.
    pub(crate) answer: Answer,
    /// How it may refuse, besides what the common checks refuse.
    pub(crate) errors: Vec<Code>,
    /// What answers.
    pub(crate) run: Run,
}

impl Operation {
    /// An operation that reads.
    pub(crate) fn get<F, A>(id: &'static str, path: &'static str, access: Access, handler: F) -> Self
    where
        F: Fn(Call) -> A + Send + Sync + 'static,
        A: Future<Output = Result<Response, ApiError>> + Send + 'static,
    {
        Self::new(id, Method::Get, path, access, called(handler))
    }

    /// An operation that takes a body.
    pub(crate) fn post<F, A>(id: &'static str, path: &'static str, access: Access, handler: F) -> Self
    where
        F: Fn(Call) -> A + Send + Sync + 'static,
        A: Future<Output = Result<Response, ApiError>> + Send + 'static,
    {
        Self::new(id, Method::Post, path, access, called(handler))
    }

    /// An operation whose handler takes the request as it came.
    pub(crate) fn raw(id: &'static str, method: Method, path: &'static str, access: Access, route: MethodRouter<Arc<Door>>) -> Self {
        Self::new(id, method, path, access, Run::Raw(Box::new(route)))
    }

    fn new(id: &'static str, method: Method, path: &'static str, access: Access, run: Run) -> Self {
        Self {
            id,
            method,
            path,
            is_bare: false,
            tag: "",
            summary: "",
            description: "",
            access,
            parameters: Vec::new(),
            body: None,
            bytes_max: BODY_BYTES_MAX,
            answer: Answer::Other("application/json"),
            errors: Vec::new(),
            run,
        }
    }

    /// Serves it without a prefix too.
    pub(crate) fn bare(self) -> Self {
        Self { is_bare: true, ..self }
    }

    /// Says its chapter and what it does.
    pub(crate) fn says(self, tag: &'static str, summary: &'static str) -> Self {
        Self { tag, summary, ..self }
    }

    /// Says what is worth knowing besides.
    pub(crate) fn more(self, description: &'static str) -> Self {
        Self { description, ..self }
    }

    /// Takes a query parameter.
    pub(crate) fn query(self, name: &'static str, schema: Value, description: &'static str) -> Self {
        self.parameter(Parameter { name, place: "query", description, schema })
    }

    /// Takes a header.
    pub(crate) fn header(self, name: &'static str, schema: Value, description: &'static str) -> Self {
        self.parameter(Parameter { name, place: "header", description, schema })
    }

    fn parameter(mut self, parameter: Parameter) -> Self {
        self.parameters.push(parameter);
        self
    }

    /// Takes a body.
    pub(crate) fn takes<T: JsonSchema>(self, example: Value) -> Self {
        Self { body: Some(Form::of::<T>(example)), ..self }
    }

    /// Takes a body of this form.
    pub(crate) fn body(self, form: Form) -> Self {
        Self { body: Some(form), ..self }
    }

    /// Takes a body of at most so many bytes.
    pub(crate) fn at_most(self, bytes_max: usize) -> Self {
        Self { bytes_max, ..self }
    }

    /// Answers with an object.
    pub(crate) fn gives<T: JsonSchema>(self, example: Value) -> Self {
        self.answers(Answer::Object(Form::of::<T>(example)))
    }

    /// Answers with a list.
    pub(crate) fn lists<T: JsonSchema>(self, example: Value) -> Self {
        self.answers(Answer::List(Form::of::<T>(example)))
    }

    /// Answers.
    pub(crate) fn answers(self, answer: Answer) -> Self {
        Self { answer, ..self }
    }

    /// May refuse in these ways, besides those of the common checks.
    pub(crate) fn refuses(mut self, codes: &[Code]) -> Self {
        self.errors.extend_from_slice(codes);
        self
    }
}

fn called<F, A>(handler: F) -> Run
where
    F: Fn(Call) -> A + Send + Sync + 'static,
    A: Future<Output = Result<Response, ApiError>> + Send + 'static,
{
    Run::Call(Arc::new(move |call| handler(call).boxed()))
}

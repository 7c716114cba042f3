//! The table of routes.
//!
//! `{name}` in a pattern stands for any text that is not empty, slashes included: image names have
//! them. Patterns are tried in order; the first that matches is taken.

use std::future::Future;
use std::pin::Pin;

use hyper::Method;

use crate::call::Call;
use crate::reply::Reply;

mod absent;
mod containers;
mod execs;
mod files;
mod images;
mod logs;
mod networks;
mod older;
mod registries;
mod stats;
mod system;

/// What a handler answers.
pub(crate) type Outcome = Result<Reply, Reply>;
type Handler = fn(Call) -> Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// One row of the table.
pub struct Route {
    /// Request method.
    pub method: Method,
    /// Path without version.
    pub pattern: &'static str,
    pub(crate) handler: Handler,
}

impl std::fmt::Debug for Route {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.method, self.pattern)
    }
}

macro_rules! routes {
    ($($method:ident $pattern:literal $module:ident::$handler:ident;)*) => {
        /// All routes.
        pub static ROUTES: &[Route] = &[
            $(Route {
                method: Method::$method,
                pattern: $pattern,
                handler: |call| Box::pin($module::$handler(call)),
            },)*
        ];
    };
}

routes! {
    GET "/_ping" system::ping;
    HEAD "/_ping" system::ping;
    GET "/version" system::version;
    GET "/info" system::info;
    GET "/events" system::events;
    GET "/containers/json" containers::list;
    POST "/containers/create" containers::create;
    POST "/containers/prune" containers::prune;
    GET "/containers/{name}/json" containers::inspect;
    GET "/containers/{name}/audit" containers::audit;
    GET "/containers/stats" stats::many;
    GET "/containers/{name}/stats" stats::one;
    GET "/containers/{name}/top" containers::top;
    GET "/containers/{name}/logs" logs::logs;
    POST "/containers/{name}/start" containers::start;
    POST "/containers/{name}/stop" containers::stop;
    POST "/containers/{name}/restart" containers::restart;
    POST "/containers/{name}/kill" containers::kill;
    POST "/containers/{name}/pause" containers::pause;
    POST "/containers/{name}/unpause" containers::unpause;
    POST "/containers/{name}/rename" containers::rename;
    POST "/containers/{name}/resize" containers::resize;
    POST "/containers/{name}/attach" containers::attach;
    POST "/containers/{name}/wait" containers::wait;
    POST "/containers/{name}/exec" execs::create;
    DELETE "/containers/{name}/checkpoints/{checkpoint}" absent::checkpoints;
    DELETE "/containers/{name}" containers::remove;
    GET "/containers/{name}/attach/ws" containers::attach_websocket;
    GET "/containers/{name}/changes" files::changes;
    GET "/containers/{name}/export" files::export;
    POST "/containers/{name}/update" containers::update;
    HEAD "/containers/{name}/archive" files::stat;
    GET "/containers/{name}/archive" files::get;
    PUT "/containers/{name}/archive" files::put;
    GET "/containers/{name}/checkpoints" absent::checkpoints;
    POST "/containers/{name}/checkpoints" absent::checkpoints;
    POST "/exec/{name}/start" execs::start;
    POST "/exec/{name}/resize" execs::resize;
    GET "/exec/{name}/json" execs::inspect;
    GET "/images/json" images::list;
    POST "/images/load" images::load;
    POST "/images/create" images::create;
    POST "/images/prune" images::prune;
    GET "/images/search" registries::search;
    GET "/images/get" images::save_many;
    GET "/images/{name}/get" images::save;
    GET "/images/{name}/json" images::inspect;
    GET "/images/{name}/history" images::history;
    POST "/images/{name}/tag" images::tag;
    POST "/images/{name}/push" registries::push;
    DELETE "/images/{name}" images::remove;
    POST "/commit" images::commit;
    POST "/build" absent::build;
    POST "/build/prune" system::build_prune;
    POST "/session" absent::build;
    POST "/grpc" absent::build;
    POST "/auth" registries::login;
    GET "/distribution/{name}/json" registries::inspect;
    GET "/system/df" system::disk_usage;
    GET "/networks" networks::list;
    POST "/networks/create" absent::networks;
    POST "/networks/prune" networks::prune;
    GET "/networks/{name}" networks::inspect;
    DELETE "/networks/{name}" networks::remove;
    POST "/networks/{name}/connect" absent::networks;
    POST "/networks/{name}/disconnect" absent::networks;
    GET "/volumes" networks::volumes;
    POST "/volumes/create" absent::volumes;
    POST "/volumes/prune" networks::prune_volumes;
    GET "/volumes/{name}" absent::volume;
    PUT "/volumes/{name}" absent::volume;
    DELETE "/volumes/{name}" absent::volume;
    GET "/plugins" absent::plugins;
    GET "/plugins/{name}/json" absent::plugin;
    GET "/plugins/{name}" absent::managed_plugins;
    POST "/plugins/{name}" absent::managed_plugins;
    DELETE "/plugins/{name}" absent::managed_plugins;
    GET "/swarm" absent::swarm;
    GET "/swarm/{name}" absent::swarm;
    POST "/swarm/leave" absent::swarm;
    POST "/swarm/{name}" absent::swarm_never;
    GET "/nodes" absent::swarm;
    GET "/nodes/{name}" absent::swarm;
    POST "/nodes/{name}" absent::swarm;
    DELETE "/nodes/{name}" absent::swarm;
    GET "/services" absent::swarm;
    GET "/services/{name}" absent::swarm;
    POST "/services/{name}" absent::swarm;
    DELETE "/services/{name}" absent::swarm;
    GET "/tasks" absent::swarm;
    GET "/tasks/{name}" absent::swarm;
    GET "/secrets" absent::swarm;
    GET "/secrets/{name}" absent::swarm;
    POST "/secrets/{name}" absent::swarm;
    DELETE "/secrets/{name}" absent::swarm;
    GET "/configs" absent::swarm;
    GET "/configs/{name}" absent::swarm;
    POST "/configs/{name}" absent::swarm;
    DELETE "/configs/{name}" absent::swarm;
}

/// The route for a request, and the values of its pattern. `HEAD` is served like `GET`.
pub fn find(method: &Method, path: &str) -> Option<(&'static Route, Vec<String>)> {
    let of = |method: &Method| {
        ROUTES
            .iter()
            .filter(|route| route.method == *method)
            .find_map(|route| Some((route, matches(route.pattern, path)?)))
    };
    match method {
        &Method::HEAD => of(method).or_else(|| of(&Method::GET)),
        other => of(other),
    }
}

fn matches(pattern: &str, path: &str) -> Option<Vec<String>> {
    let path = match path.len() {
        0 | 1 => path,
        // `GET /networks/` is the list for Docker.
        _ => path.strip_suffix('/').unwrap_or(path),
    };
    let Some((before, after)) = pattern.split_once("{name}") else {
        return (pattern == path).then(Vec::new);
    };
    let rest = path.strip_prefix(before)?;
    if let Some((between, _)) = after.split_once('{') {
        let (first, second) = rest.rsplit_once(between)?;
        let both = !first.is_empty() && !second.is_empty();
        return both.then(|| vec![first.to_owned(), second.to_owned()]);
    }
    let value = rest.strip_suffix(after)?;
    (!value.is_empty()).then(|| vec![value.to_owned()])
}

#[cfg(test)]
mod tests;

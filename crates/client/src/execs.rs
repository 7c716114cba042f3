//! Calls about execs.

use docker_api::{ExecConfig, ExecInspect, ExecStart, IdResponse};

use crate::connection::{Call, Client};
use crate::error::ClientError;
use crate::hijack::Hijacked;
use crate::params::Target;

impl Client {
    /// Prepares an exec in a container.
    pub async fn exec_create(
        &self,
        container: &str,
        config: &ExecConfig,
    ) -> Result<IdResponse, ClientError> {
        let target = Target::new(&["/containers/", container, "/exec"]);
        self.fetch(Call::post(target).json(config)).await
    }

    /// Starts it and attaches to it. A process that cannot be started says so on the stream; its
    /// exit code is then in [`Client::exec_inspect`].
    pub async fn exec_start(&self, id: &str, start: &ExecStart) -> Result<Hijacked, ClientError> {
        let attached = ExecStart { detach: false, ..start.clone() };
        let target = Target::new(&["/exec/", id, "/start"]);
        self.hijack(Call::post(target).json(&attached)).await
    }

    /// Starts it and leaves it alone.
    pub async fn exec_start_detached(
        &self,
        id: &str,
        start: &ExecStart,
    ) -> Result<(), ClientError> {
        let detached = ExecStart { detach: true, ..start.clone() };
        let target = Target::new(&["/exec/", id, "/start"]);
        self.run(Call::post(target).json(&detached)).await.map(drop)
    }

    /// What became of it.
    pub async fn exec_inspect(&self, id: &str) -> Result<ExecInspect, ClientError> {
        self.fetch(Call::get(Target::new(&["/exec/", id, "/json"]))).await
    }

    /// Sets the size of its terminal, in characters.
    pub async fn exec_resize(&self, id: &str, height: u16, width: u16) -> Result<(), ClientError> {
        let target = Target::new(&["/exec/", id, "/resize"])
            .with("h", &height.to_string())
            .with("w", &width.to_string());
        self.run(Call::post(target)).await.map(drop)
    }
}

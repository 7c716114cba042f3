//! Calls about the engine, and its lists of networks and volumes.

use docker_api::{
    BuildPruneReport, Event, Filters, Info, Network, NetworksPruneReport, SystemDf, Version,
    Volume, VolumeList, VolumesPruneReport,
};

use crate::body::JsonLines;
use crate::connection::{Call, Client};
use crate::error::ClientError;
use crate::params::Target;

/// Which events are read.
#[derive(Clone, Debug, Default)]
pub struct EventsOptions {
    /// Unix time; empty is now.
    pub since: String,
    /// Unix time; empty is never.
    pub until: String,
    /// Those that match.
    pub filters: Filters,
}

impl Client {
    /// Whether the engine answers.
    pub async fn ping(&self) -> Result<(), ClientError> {
        self.run(Call::get(Target::new(&["/_ping"]))).await.map(drop)
    }

    /// Its versions.
    pub async fn version(&self) -> Result<Version, ClientError> {
        self.fetch(Call::get(Target::new(&["/version"]))).await
    }

    /// Everything about the engine and its host.
    pub async fn info(&self) -> Result<Info, ClientError> {
        self.fetch(Call::get(Target::new(&["/info"]))).await
    }

    /// The same, with whatever keys the engine sends: for templates and raw output.
    pub async fn info_raw(&self) -> Result<serde_json::Value, ClientError> {
        self.fetch(Call::get(Target::new(&["/info"]))).await
    }

    /// What takes how much room.
    pub async fn system_df(&self) -> Result<SystemDf, ClientError> {
        self.fetch(Call::get(Target::new(&["/system/df"]))).await
    }

    /// Removes networks that nothing uses.
    pub async fn network_prune(
        &self,
        filters: &Filters,
    ) -> Result<NetworksPruneReport, ClientError> {
        let target = Target::new(&["/networks/prune"]).with_filters(filters);
        self.fetch(Call::post(target)).await
    }

    /// Removes volumes that nothing uses.
    pub async fn volume_prune(&self, filters: &Filters) -> Result<VolumesPruneReport, ClientError> {
        let target = Target::new(&["/volumes/prune"]).with_filters(filters);
        self.fetch(Call::post(target)).await
    }

    /// Removes what builds keep; with `all` also what they still want.
    pub async fn build_prune(
        &self,
        all: bool,
        filters: &Filters,
    ) -> Result<BuildPruneReport, ClientError> {
        let target = Target::new(&["/build/prune"]).with_flag("all", all);
        let text = if filters.is_empty() { String::new() } else { filters.to_json() };
        self.fetch(Call::post(target.with("filters", &text))).await
    }

    /// What happens; returns when the engine has begun to listen, so that nothing that happens
    /// after this is missed.
    pub async fn events(&self, options: &EventsOptions) -> Result<JsonLines<Event>, ClientError> {
        let target = Target::new(&["/events"])
            .with_some("since", &options.since)
            .with_some("until", &options.until)
            .with_filters(&options.filters);
        self.lines(Call::get(target)).await
    }

    /// Lists networks.
    pub async fn network_list(&self, filters: &Filters) -> Result<Vec<Network>, ClientError> {
        let target = Target::new(&["/networks"]).with_filters(filters);
        self.fetch(Call::get(target)).await
    }

    /// Lists volumes.
    pub async fn volume_list(&self, filters: &Filters) -> Result<VolumeList, ClientError> {
        let target = Target::new(&["/volumes"]).with_filters(filters);
        self.fetch(Call::get(target)).await
    }

    /// Everything about a network.
    pub async fn network_inspect(&self, name: &str) -> Result<Network, ClientError> {
        self.fetch(Call::get(Target::new(&["/networks/", name]))).await
    }

    /// Everything about a volume.
    pub async fn volume_inspect(&self, name: &str) -> Result<Volume, ClientError> {
        self.fetch(Call::get(Target::new(&["/volumes/", name]))).await
    }
}

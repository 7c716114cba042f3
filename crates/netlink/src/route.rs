//! Routes of the main table: rtnetlink(7), `linux/rtnetlink.h`.

use std::net::IpAddr;

use crate::Rtnl;
use crate::address::{family, octets, read};
use crate::error::NetlinkError;
use crate::message::{CREATE, EXCLUSIVE, Message, REPLACE, attributes};

const NEW_ROUTE: u16 = 24;
const DELETE_ROUTE: u16 = 25;
const GET_ROUTE: u16 = 26;

const DESTINATION: u16 = 1;
const LINK: u16 = 4;
const GATEWAY: u16 = 5;
const METRIC: u16 = 6;
const SOURCE: u16 = 7;
const TABLE: u16 = 15;

/// `RT_TABLE_MAIN`.
const MAIN: u8 = 254;
/// `RTPROT_STATIC`.
const BY_ADMINISTRATOR: u8 = 4;
/// `RT_SCOPE_LINK`.
const ON_LINK: u8 = 253;
/// `RTN_UNICAST`.
const UNICAST: u8 = 1;

/// A route.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Route {
    /// Where it leads: an address and the number of its bits that count. The unspecified address
    /// with none is the default route.
    pub destination: (IpAddr, u8),
    /// By which link.
    pub link: Option<u32>,
    /// By which router.
    pub gateway: Option<IpAddr>,
    /// The source that is proposed to programs.
    pub source: Option<IpAddr>,
    /// The smaller one wins.
    pub metric: Option<u32>,
}

/// A route to be made.
pub type RouteSpec = Route;

impl Rtnl {
    /// Adds a route.
    ///
    /// # Errors
    /// [`NetlinkError::Refused`], also when there is one to the same destination.
    pub fn add_route(&mut self, spec: &RouteSpec) -> Result<(), NetlinkError> {
        let message = message(NEW_ROUTE, CREATE | EXCLUSIVE, spec);
        self.socket.request(message, || format!("add the route to {}", named(spec)))
    }

    /// Adds a route, or replaces the one to the same destination.
    ///
    /// # Errors
    /// [`NetlinkError::Refused`].
    pub fn replace_route(&mut self, spec: &RouteSpec) -> Result<(), NetlinkError> {
        let message = message(NEW_ROUTE, CREATE | REPLACE, spec);
        self.socket.request(message, || format!("replace the route to {}", named(spec)))
    }

    /// Removes a route.
    ///
    /// # Errors
    /// [`NetlinkError::Refused`].
    pub fn delete_route(&mut self, spec: &RouteSpec) -> Result<(), NetlinkError> {
        let message = message(DELETE_ROUTE, 0, spec);
        self.socket.request(message, || format!("remove the route to {}", named(spec)))
    }

    /// The routes of the main table, IPv4 first.
    ///
    /// # Errors
    /// [`NetlinkError::Refused`].
    pub fn routes(&mut self) -> Result<Vec<Route>, NetlinkError> {
        let mut routes = Vec::new();
        for family in [sys::libc::AF_INET, sys::libc::AF_INET6] {
            let mut fixed = [0; 12];
            fixed[0] = family as u8;
            let message = Message::new(GET_ROUTE, 0, &fixed);
            routes.extend(self.socket.list(
                &message,
                || "list routes".to_owned(),
                Vec::new,
                |list: &mut Vec<Route>, body| list.extend(parse(body)),
            )?);
        }
        Ok(routes)
    }
}

fn message(kind: u16, flags: u16, spec: &RouteSpec) -> Message {
    let (address, prefix) = spec.destination;
    let mut fixed = [0; 12];
    fixed[0] = family(address);
    fixed[1] = prefix;
    fixed[4] = MAIN;
    fixed[5] = BY_ADMINISTRATOR;
    if spec.gateway.is_none() && address.is_ipv4() {
        fixed[6] = ON_LINK;
    }
    fixed[7] = UNICAST;
    let mut message = Message::new(kind, flags, &fixed);
    if prefix > 0 {
        message.attribute(DESTINATION, &octets(address));
    }
    if let Some(link) = spec.link {
        message.native32(LINK, link);
    }
    if let Some(gateway) = spec.gateway {
        message.attribute(GATEWAY, &octets(gateway));
    }
    if let Some(source) = spec.source {
        message.attribute(SOURCE, &octets(source));
    }
    if let Some(metric) = spec.metric {
        message.native32(METRIC, metric);
    }
    message
}

/// Unicast routes of the main table only.
fn parse(body: &[u8]) -> Option<Route> {
    let values = attributes(body.get(12..)?);
    let table = values.native32(TABLE).unwrap_or(u32::from(*body.get(4)?));
    if table != u32::from(MAIN) || *body.get(7)? != UNICAST {
        return None;
    }
    let unspecified = match i32::from(*body.first()?) {
        sys::libc::AF_INET => IpAddr::from([0; 4]),
        _ => IpAddr::from([0; 16]),
    };
    let address = |kind| values.find(kind).and_then(read);
    Some(Route {
        destination: (address(DESTINATION).unwrap_or(unspecified), *body.get(1)?),
        link: values.native32(LINK),
        gateway: address(GATEWAY),
        source: address(SOURCE),
        metric: values.native32(METRIC),
    })
}

fn named(spec: &RouteSpec) -> String {
    let (address, prefix) = spec.destination;
    let by = spec.gateway.map_or_else(String::new, |gateway| format!(" by {gateway}"));
    format!("{address}/{prefix}{by}")
}

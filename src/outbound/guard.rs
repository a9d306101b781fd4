//! Which addresses a URL given by a user may lead to: an allow-list, because what must be refused keeps growing.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

use crate::Error;

/// The guard's refusal, found again among the causes of reqwest's error.
#[derive(Debug, thiserror::Error)]
#[error("the name resolves to addresses that are not public")]
pub(crate) struct NotPublic;

/// Checks a URL before it is resolved: the scheme, and a host that is an address already. `url` has brought odd
/// spellings (`0x7f.1`, `2130706433`) into their usual form.
pub(crate) fn check(url: &Url) -> Result<(), Error> {
    let public = match url.host() {
        Some(Host::Ipv4(ip)) => is_public(ip.into()),
        Some(Host::Ipv6(ip)) => is_public(ip.into()),
        Some(Host::Domain(_)) => true,
        None => false,
    };
    if public { Ok(()) } else { Err(Error::NotPublic) }
}

/// Whether the link may lead anywhere that everybody can reach, as far as it says so itself: nothing is resolved. For
/// links that others follow; what we follow ourselves is looked at again after DNS.
pub fn check_public(link: &str) -> Result<(), Error> {
    let url = Url::parse(link).map_err(|_| Error::Invalid("it is not a URL"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(Error::Invalid("the URL must begin with http:// or https://"));
    }
    let host = url.host_str().unwrap_or_default().trim_end_matches('.');
    if host == "localhost" || host.ends_with(".localhost") {
        return Err(Error::NotPublic);
    }
    check(&url)
}

/// Resolves names and drops every address that is not public. It sits where the connection is made, so a name
/// that changes its address between check and use gains nothing.
pub(crate) struct PublicResolver;

impl Resolve for PublicResolver {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let (public, refused): (Vec<SocketAddr>, Vec<SocketAddr>) =
                found.partition(|addr| is_public(addr.ip()));
            if public.is_empty() && !refused.is_empty() {
                return Err(NotPublic.into());
            }
            Ok(Box::new(public.into_iter()) as Addrs)
        })
    }
}

/// Whether anybody on the internet could reach `ip`. By IANA's special-purpose registries.
pub(crate) fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => is_public_v6(ip),
    }
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    !(ip.is_private()
        || ip.is_loopback()
        || ip.is_link_local()
        || ip.is_documentation()
        // "This network", multicast, reserved and broadcast.
        || matches!(a, 0 | 224..=255)
        // Carrier-grade NAT; clouds keep their metadata there too.
        || (a == 100 && (64..=127).contains(&b))
        // Protocol assignments, 6to4 relays, benchmarking.
        || (a, b, c) == (192, 0, 0)
        || (a, b, c) == (192, 88, 99)
        || (a == 198 && matches!(b, 18 | 19)))
}

fn is_public_v6(ip: Ipv6Addr) -> bool {
    let segments = ip.segments();
    // NAT64 stands for the IPv4 address in its last 32 bits.
    if segments[..6] == [0x64, 0xff9b, 0, 0, 0, 0] {
        let [.., a, b, c, d] = ip.octets();
        return is_public_v4(Ipv4Addr::new(a, b, c, d));
    }
    // Global unicast, without protocol assignments (Teredo among them), documentation and 6to4, which hide
    // another address. IPv4-mapped addresses lie outside of it.
    matches!(segments[0], 0x2000..=0x3ffe)
        && !(segments[0] == 0x2001 && segments[1] < 0x200)
        && !(segments[0] == 0x2001 && segments[1] == 0xdb8)
        && segments[0] != 0x2002
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_public_addresses_pass() {
        for (ip, public) in [
            ("8.8.8.8", true),
            ("149.154.167.220", true),
            ("100.63.255.255", true),
            ("100.128.0.0", true),
            ("172.32.0.1", true),
            ("0.0.0.0", false),
            ("10.1.2.3", false),
            ("127.0.0.1", false),
            ("100.100.100.200", false),
            ("169.254.169.254", false),
            ("172.16.0.1", false),
            ("192.0.0.192", false),
            ("192.0.2.1", false),
            ("192.168.1.1", false),
            ("198.18.0.1", false),
            ("203.0.113.9", false),
            ("224.0.0.1", false),
            ("255.255.255.255", false),
            ("2606:4700::1111", true),
            ("64:ff9b::808:808", true),
            ("::", false),
            ("::1", false),
            ("::ffff:8.8.8.8", false),
            ("::ffff:127.0.0.1", false),
            ("::7f00:1", false),
            ("64:ff9b::7f00:1", false),
            ("64:ff9b:1::1", false),
            ("2001::1", false),
            ("2001:db8::1", false),
            ("2002:7f00:1::", false),
            ("3fff::1", false),
            ("fc00::1", false),
            ("fd00:ec2::254", false),
            ("fe80::1", false),
            ("fec0::1", false),
            ("ff02::1", false),
        ] {
            assert_eq!(is_public(ip.parse().unwrap()), public, "{ip}");
        }
    }

    #[test]
    fn odd_spellings_of_an_address_are_seen_through() {
        for url in [
            "http://127.0.0.1/",
            "http://2130706433/",
            "http://0x7f.1/",
            "http://017700000001/",
            "http://[::ffff:7f00:1]/",
            "http://127.1:8080/x",
            "http://user@169.254.169.254/latest/meta-data",
        ] {
            assert_eq!(check(&Url::parse(url).unwrap()), Err(Error::NotPublic), "{url}");
        }
        assert_eq!(check(&Url::parse("https://example.com/").unwrap()), Ok(()));
    }
}

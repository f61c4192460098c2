//! An authority, and what it signs: a certificate for the servers, and one for all clients.
//!
//! Who a client is, its nkey says; its certificate only lets it speak at all.

use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, date_time_ymd};
use secrecy::ExposeSecret as _;

use super::Error;
use super::file::Maker;
use super::plan::Plan;

/// How many years the authority's certificate is good for.
const AUTHORITY_YEARS: i32 = 20;
/// How many years the others are.
const YEARS: i32 = 2;

/// Makes those that are missing. What the authority signs is made anew with it, and the servers' with their hosts.
pub(super) fn make(maker: &mut Maker, plan: &Plan) -> Result<(), Error> {
    let authority = |maker: &Maker| -> Result<CertificateParams, Error> {
        let mut params = params(maker, "Cuepoint authority", AUTHORITY_YEARS, Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        Ok(params)
    };
    let key = key(maker, "tls/ca.key")?;
    let params_of_ca = authority(maker)?;
    let is_new = maker.text_if("tls/ca.crt", maker.is_made("tls/ca.key"), || Ok(params_of_ca.self_signed(&key)?.pem()))?;
    let issuer = Issuer::new(params_of_ca, key);
    let hosts: Vec<String> = plan.hosts.iter().cloned().collect();
    let usages = [ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    for (name, hosts, usages) in [("server", hosts, &usages[..]), ("client", Vec::new(), &usages[1..])] {
        let file = format!("tls/{name}.key");
        let key = self::key(maker, &file)?;
        let is_stale = is_new || maker.is_made(&file) || (name == "server" && maker.is_changed(plan));
        let mut params = params(maker, &format!("Cuepoint {name}"), YEARS, hosts)?;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = usages.to_vec();
        maker.text_if(&format!("tls/{name}.crt"), is_stale, || Ok(params.signed_by(&key, &issuer)?.pem()))?;
    }
    Ok(())
}

fn key(maker: &mut Maker, file: &str) -> Result<KeyPair, Error> {
    let made = KeyPair::generate()?;
    let pem = maker.secret(file, || made.serialize_pem())?;
    Ok(KeyPair::from_pem(pem.expose_secret())?)
}

fn params(maker: &Maker, name: &str, years: i32, hosts: Vec<String>) -> Result<CertificateParams, Error> {
    let mut params = CertificateParams::new(hosts)?;
    params.distinguished_name.push(DnType::CommonName, name);
    let (year, month, day) = maker.day();
    // The day before, for servers whose clocks are behind; the 28th, which every month has.
    params.not_before = date_time_ymd(year, month, day.min(28)) - std::time::Duration::from_hours(24);
    params.not_after = date_time_ymd(year + years, month, day.min(28));
    Ok(params)
}

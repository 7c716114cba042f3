//! `login` and `logout`.

use std::io::{Read, Write};

use client::{Client, ClientError};
use credentials::{Account, ClientConfig, INDEX_SERVER, Kept, Secret, host_of};
use docker_api::{AuthConfig, AuthResponse};
use oci::Reference;
use show::note;

use super::accounts;
use crate::failure::{Failure, Outcome};
use crate::flags::parse::Parsed;
use crate::terminal;

/// A password is never longer; a token may have some thousand characters.
const PASSWORD_BYTES_MAX: u64 = 64 << 10;

/// What a token of Docker's Hub is called.
const HUB_HELP: &str = "Log in with your Docker ID or email address to push and pull images from \
                        Docker Hub. If you don't have a Docker ID, head over to \
                        https://hub.docker.com/ to create one.";

/// `login`.
pub async fn login(client: &Client, flags: &Parsed) -> Outcome {
    let (username, password) = given(flags)?;
    let server = match flags.args.first().map(String::as_str) {
        None | Some("" | "docker.io") => INDEX_SERVER,
        Some(INDEX_SERVER) => INDEX_SERVER,
        Some(server) => host_of(server),
    };
    let mut config = accounts::config()?;
    let mut known = String::new();
    if username.is_empty() && password.is_empty() {
        let account = config.get(server).unwrap_or_default();
        if let Some(Account { username, secret: Secret::Password(password) }) = account {
            if let Some(status) = log_in_again(client, server, &username, &password).await? {
                println!("{status}");
                return Ok(0);
            }
            known = username;
        }
    }
    let account = ask_for_account(server, &known, username, password).await?;
    let answer = client.registry_login(&accounts::of_account(server, &account)).await?;
    keep(&mut config, server, account, &answer)?;
    if !answer.status.is_empty() {
        println!("{}", answer.status);
    }
    Ok(0)
}

/// `logout`.
pub fn logout(flags: &Parsed) -> Outcome {
    let server = match flags.args.first().map(String::as_str) {
        None | Some("" | "docker.io") => INDEX_SERVER,
        Some(server) => server,
    };
    let mut config = accounts::config()?;
    let mut names = vec![server.to_owned()];
    let host = if server == INDEX_SERVER { server } else { host_of(server) };
    if server != INDEX_SERVER {
        // Older clients kept whole addresses.
        names.extend([host.to_owned(), format!("http://{host}"), format!("https://{host}")]);
    }
    println!("Removing login credentials for {host}");
    let erased = names.iter().map(|name| (name, config.erase(name)));
    let failed: Vec<_> = erased.filter_map(|(name, done)| Some((name, done.err()?))).collect();
    if failed.len() == names.len() {
        eprintln!("WARNING: could not erase credentials:");
        for (name, error) in failed {
            eprintln!("{name}: {}", accounts::failed(error).text);
        }
    }
    Ok(0)
}

/// Logs in before something else is tried once more; the account is kept only by `login`.
pub async fn before(
    verb: &str,
    image: &Reference,
    tried: &AuthConfig,
) -> Result<AuthConfig, Failure> {
    println!("\nLogin prior to {verb}:");
    let server = credentials::of_domain(image.domain());
    let nothing = String::new();
    let account = ask_for_account(server, &tried.username, nothing.clone(), nothing).await?;
    Ok(accounts::of_account(server, &account))
}

/// Name and password as the flags say them.
fn given(flags: &Parsed) -> Result<(String, String), Failure> {
    let username = flags.text("username").to_owned();
    if flags.switch("password-stdin") {
        if flags.is_set("password") {
            return Err(Failure::new(
                "conflicting options: cannot specify both --password and --password-stdin",
            ));
        }
        if username.is_empty() {
            return Err(Failure::new("the --password-stdin option requires --username to be set"));
        }
        let mut bytes = Vec::new();
        std::io::stdin().lock().take(PASSWORD_BYTES_MAX + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > PASSWORD_BYTES_MAX {
            return Err(Failure::new("failed to read the password: it is too long"));
        }
        let text = String::from_utf8(bytes)
            .map_err(|_| Failure::new("failed to read the password: it is not UTF-8"))?;
        let password = text.strip_suffix('\n').unwrap_or(&text);
        return Ok((username, password.strip_suffix('\r').unwrap_or(password).to_owned()));
    }
    for flag in ["username", "password"] {
        if flags.is_set(flag) && flags.text(flag).is_empty() {
            return Err(Failure::new(format!("{flag} is empty")));
        }
    }
    if flags.is_set("password") {
        eprintln!("WARNING! Using --password via the CLI is insecure. Use --password-stdin.");
    }
    Ok((username, flags.text("password").to_owned()))
}

/// Tries the account that is kept; `None` when it is not good any more.
async fn log_in_again(
    client: &Client,
    server: &str,
    username: &str,
    password: &str,
) -> Result<Option<String>, Failure> {
    eprintln!("Authenticating with existing credentials... [Username: {username}]");
    let text = "To login with a different account, run 'docker logout' followed by 'docker login'";
    let text = text.replace("docker", "wharf");
    eprint!("{}\n\n", note::info(&text, "", terminal::stderr_is_colored()));
    let secret = Secret::Password(password.to_owned());
    let account = Account { username: username.to_owned(), secret };
    match client.registry_login(&accounts::of_account(server, &account)).await {
        Ok(answer) => Ok(Some(answer.status)),
        Err(error @ ClientError::Connect { .. }) => Err(error.into()),
        Err(error) if error.kind() == stdx::Kind::Unauthenticated => {
            eprintln!("Stored credentials invalid or expired");
            Ok(None)
        }
        Err(error) => {
            eprintln!("Login did not succeed, error: {}", Failure::from(error).text);
            Ok(None)
        }
    }
}

/// Asks for what was not given, at the terminal.
async fn ask_for_account(
    server: &str,
    known: &str,
    username: String,
    password: String,
) -> Result<Account, Failure> {
    if (username.is_empty() || password.is_empty()) && !terminal::stdin_is_terminal() {
        let text = "Error: Cannot perform an interactive login from a non TTY device";
        return Err(Failure::new(text));
    }
    let mut username = username.trim().to_owned();
    if username.is_empty() {
        if server == INDEX_SERVER {
            println!("{HUB_HELP}");
        }
        let prompt = match known {
            "" => "Username: ".to_owned(),
            known => format!("Username ({known}): "),
        };
        username = ask(&prompt, terminal::Echo::On).await?;
        if username.is_empty() {
            username = known.to_owned();
        }
        if username.is_empty() {
            return Err(Failure::new("Error: Non-null Username Required"));
        }
    }
    let mut password = password.trim().to_owned();
    if password.is_empty() {
        password = ask("Password: ", terminal::Echo::Off).await?;
        println!();
        if password.is_empty() {
            return Err(Failure::new("Error: Password Required"));
        }
    }
    Ok(Account { username, secret: Secret::Password(password) })
}

async fn ask(prompt: &str, echo: terminal::Echo) -> Result<String, Failure> {
    print!("{prompt}");
    std::io::stdout().flush()?;
    match terminal::read_line(echo).await? {
        Some(line) => Ok(line.trim().to_owned()),
        None => {
            println!();
            Err(Failure::silent(130))
        }
    }
}

/// Keeps the account; a token that came for it is kept in the password's place.
fn keep(
    config: &mut ClientConfig,
    server: &str,
    mut account: Account,
    answer: &AuthResponse,
) -> Result<(), Failure> {
    if !answer.identity_token.is_empty() {
        account.secret = Secret::IdentityToken(answer.identity_token.clone());
    }
    let kept = config.store(server, &account).map_err(|error| {
        Failure::new(format!("Error saving credentials: {}", accounts::failed(error).text))
    })?;
    if let Kept::Unencrypted(path) = kept {
        eprintln!(
            "\nWARNING! Your credentials are stored unencrypted in '{}'.\n\
             Configure a credential helper to remove this warning. See\n\
             https://docs.docker.com/go/credential-store/\n",
            path.display()
        );
    }
    Ok(())
}

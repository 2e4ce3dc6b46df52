//! One command's connection and screen.

use std::io::BufRead;

use crate::api::acme::{NumberedPage, Pagination};
use crate::api::pki::Page;
use crate::base::id::CaId;
use crate::client::{Answer, Client, ClientError};

use super::connection::{ConnectionArguments, Environment};
use super::failure::Failure;
use super::progress;
use super::screen::Screen;
use super::table::Rows;

/// How often what has an idempotency key is sent again.
const RETRIES: u32 = 5;

/// What a command works with.
pub(super) struct Session<'s, 'o> {
    pub(super) client: Client,
    pub(super) screen: &'s mut Screen<'o>,
    pub(super) json: bool,
}

impl<'s, 'o> Session<'s, 'o> {
    pub(super) fn open(
        connection: &ConnectionArguments,
        environment: Environment<'_>,
        json: bool,
        screen: &'s mut Screen<'o>,
    ) -> Result<Self, Failure> {
        let settings = connection.resolve(environment)?;
        for warning in &settings.warnings {
            screen.note(&format!("warning: {warning}"));
        }
        let client = match settings.socket {
            Some(socket) => Client::over_socket(socket),
            None => Client::new(settings.endpoint),
        };
        let client = client.map_err(|source| Failure::Call { doing: "connecting", source })?;
        let client = match settings.timeout {
            Some(timeout) => client.with_timeout(timeout),
            None => client,
        };
        let client = match settings.idempotency_key {
            Some(key) => client.with_idempotency_key(key).with_retries(RETRIES),
            None => client,
        };
        Ok(Self { client, screen, json })
    }

    /// Waits for an answer; what is being done is shown when it takes long and named when it fails.
    pub(super) async fn wait<T>(&self, doing: &'static str, call: impl Future<Output = Result<T, ClientError>>) -> Result<T, Failure> {
        progress::shown(doing, self.screen.notes_is_terminal, call).await.map_err(|source| Failure::Call { doing, source })
    }

    /// Waits for an answer and prints it.
    pub(super) async fn show<T>(
        &mut self,
        doing: &'static str,
        call: impl Future<Output = Result<Answer<T>, ClientError>>,
        rows: impl FnOnce(&T) -> Rows,
    ) -> Result<(), Failure> {
        let answer = self.wait(doing, call).await?;
        self.print(&answer, rows)
    }

    /// Waits until something is done that has no answer, and says so.
    pub(super) async fn done(
        &mut self,
        doing: &'static str,
        call: impl Future<Output = Result<(), ClientError>>,
        said: &str,
    ) -> Result<(), Failure> {
        self.wait(doing, call).await?;
        self.screen.note(said);
        Ok(())
    }

    /// Prints an answer: the JSON as it came, or as rows.
    pub(super) fn print<T>(&mut self, answer: &Answer<T>, rows: impl FnOnce(&T) -> Rows) -> Result<(), Failure> {
        if self.json {
            self.screen.line(answer.json())
        } else {
            let text = rows(&answer.value).render(self.screen.out_is_terminal);
            self.screen.write(text.as_bytes())
        }
    }

    /// Prints a list page by page, as JSON one document a line: all of it, or one page and how to come to the next.
    pub(super) async fn print_pages<T>(
        &mut self,
        doing: &'static str,
        all: bool,
        mut cursor: Option<String>,
        fetch: impl AsyncFn(Option<String>) -> Result<Answer<Page<T>>, ClientError>,
        rows: impl Fn(&[T]) -> Rows,
    ) -> Result<(), Failure> {
        let mut first = true;
        loop {
            let answer = self.wait(doing, fetch(cursor.clone())).await?;
            let next = following(&answer.value, cursor.as_deref());
            let page = rows(&answer.value.data);
            // A page of what was looked through may hold nothing of what is asked for, which says nothing about those behind it.
            if page.is_empty() && next.is_some() {
                cursor = next;
                continue;
            }
            if first && page.is_empty() && !self.json {
                self.screen.note("none");
            } else {
                self.print(&answer, |_| if first { page } else { page.without_heading() })?;
            }
            first = false;
            match next {
                Some(next) if all => cursor = Some(next),
                Some(next) => {
                    self.screen.note(&format!("there are more: --all, or --cursor {next}"));
                    return Ok(());
                }
                None => return Ok(()),
            }
        }
    }

    /// Prints all of a list whose pages are numbered, page by page.
    pub(super) async fn print_numbered<T>(
        &mut self,
        doing: &'static str,
        fetch: impl AsyncFn(u32) -> Result<Answer<NumberedPage<T>>, ClientError>,
        rows: impl Fn(&[T]) -> Rows,
    ) -> Result<(), Failure> {
        let mut number: u32 = 1;
        loop {
            let page = self.wait(doing, fetch(number)).await?;
            self.print(&page, |page| rows(&page.data))?;
            let Pagination { page: _, per_page, total } = page.value.pagination;
            if number.saturating_mul(per_page) >= total {
                return Ok(());
            }
            number = number.saturating_add(1);
        }
    }

    /// The id of an authority that was given by its id or its name.
    pub(super) async fn authority_id(&self, given: &str) -> Result<String, Failure> {
        if given.parse::<CaId>().is_ok() {
            return Ok(given.to_owned());
        }
        let mut cursor = None;
        loop {
            let call = self.client.authorities(cursor.as_deref());
            let page = self.wait("looking up the authority by its name (its id needs no look-up)", call).await?.into_value();
            if let Some(found) = page.data.iter().find(|authority| authority.name == given) {
                return Ok(found.id.clone());
            }
            match following(&page, cursor.as_deref()) {
                Some(next) => cursor = Some(next),
                None => return Err(Failure::NoSuchAuthority { name: given.to_owned() }),
            }
        }
    }

    /// Asks the person at the terminal; where there is none, the command itself is the word.
    pub(super) fn confirm(&mut self, question: &str) -> Result<(), Failure> {
        if !(self.screen.notes_is_terminal && self.screen.input_is_terminal) {
            return Ok(());
        }
        self.screen.note(&format!("{question} Type yes to go on:"));
        let mut line = String::new();
        let read = std::io::stdin().lock().read_line(&mut line);
        if read.is_ok() && line.trim() == "yes" { Ok(()) } else { Err(Failure::NotConfirmed) }
    }
}

/// The cursor of the page that follows. One that leads to the same page again ends the list.
fn following<T>(page: &Page<T>, current: Option<&str>) -> Option<String> {
    page.cursor.clone().filter(|next| page.has_more && Some(next.as_str()) != current)
}

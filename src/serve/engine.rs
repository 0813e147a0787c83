//! The compute thread: one batch per model, which requests join and leave between two tokens.

use super::error::ApiError;
use super::job::{EmbedJob, Event, FinishReason, Job, TokenChance, Work};
use super::metrics::Metrics;
use super::options::ServeOptions;
use super::queue::Queue;
use super::registry::Registry;
use super::served::Served;
use super::vectors;
use crate::cancel;
use crate::model::{Detokenizer, LineId, Session, SessionPlan};
use crate::tensor::Rng;
use crate::{Error, Result};
use std::collections::{BTreeMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Approximate number of prompt tokens per step: between two steps, every running text gets its token.
const READ_AT_ONCE: usize = 512;
/// Texts embedded per step.
const EMBEDDED_AT_ONCE: usize = 8;
/// Interval at which an idle engine checks for a stop request.
const IDLE: Duration = Duration::from_millis(50);

pub struct Engine {
    models: Arc<Registry>,
    sessions: Vec<Option<Session>>,
    running: Vec<Running>,
    /// Embedding requests in progress, with their finished vectors.
    embedding: VecDeque<(EmbedJob, Vec<Vec<f32>>)>,
    queue: Arc<Queue>,
    metrics: Arc<Metrics>,
    max_batch: usize,
    prefix_bytes: usize,
}

/// One running answer of a request.
struct Running {
    job: Arc<Job>,
    line: LineId,
    choice: usize,
    new: usize,
    rng: Rng,
    writer: Detokenizer,
    constraint: Option<super::grammar::Constraint>,
    asked: Instant,
}

impl Engine {
    pub fn new(models: &Arc<Registry>, queue: &Arc<Queue>, metrics: &Arc<Metrics>, options: &ServeOptions) -> Engine {
        let prefix_bytes = options.prefix_bytes / models.all().len().max(1);
        let (queue, metrics) = (queue.clone(), metrics.clone());
        let (models, running, max_batch) = (models.clone(), Vec::new(), options.max_batch);
        let embedding = VecDeque::new();
        Engine { models, sessions: Vec::new(), running, embedding, queue, metrics, max_batch, prefix_bytes }
    }

    /// Answers requests until a stop is requested; then finishes the running ones.
    pub fn run(&mut self) {
        let hold = cancel::current().hold();
        while !hold.is_requested() {
            self.admit();
            if self.is_idle() { self.queue.wait(IDLE) } else { self.step() }
        }
        for work in self.queue.close() {
            work.refuse(stopping());
        }
        while !self.is_idle() {
            self.step();
        }
    }

    fn is_idle(&self) -> bool {
        self.running.is_empty() && self.embedding.is_empty()
    }

    /// Admits requests, as far as there is room.
    fn admit(&mut self) {
        loop {
            let mut lines: BTreeMap<String, usize> = BTreeMap::new();
            for running in &self.running {
                *lines.entry(running.job.client.clone()).or_default() += 1;
            }
            let room = self.max_batch.saturating_sub(self.awaited());
            match self.queue.take(room, &lines) {
                Some(Work::Write(job)) => self.begin(*job),
                Some(Work::Embed(job)) => self.embedding.push_back((job, Vec::new())),
                None => break,
            }
        }
        self.metrics.waiting(self.queue.len());
    }

    /// Running lines, and lines that will run once their prompt is read.
    fn awaited(&self) -> usize {
        self.running.iter().map(|running| if running.new == 0 { running.due() } else { 1 }).sum()
    }

    fn served(&self, model: usize) -> Result<Arc<Served>> {
        self.models.get(model).ok_or_else(|| Error::new("serve", "there is no such model"))
    }

    fn session(&mut self, model: usize) -> Result<&mut Session> {
        let plan = SessionPlan { read_at_once: READ_AT_ONCE, prefix_bytes: self.prefix_bytes };
        let served = self.served(model)?;
        if self.sessions.len() <= model {
            self.sessions.resize_with(model + 1, || None);
        }
        let place = &mut self.sessions[model];
        if place.is_none() {
            *place = Some(Session::new(&served.net, plan)?);
        }
        place.as_mut().ok_or_else(|| Error::new("serve", "there is no session"))
    }

    fn begin(&mut self, job: Job) {
        let served = match self.served(job.model).and_then(|served| tell_prompt(&served, &job).map(|()| served)) {
            Ok(served) => served,
            Err(error) => return Work::Write(Box::new(job)).refuse(error.into()),
        };
        if job.sampling.max_new_tokens == 0 {
            return end_at_once(&job);
        }
        let joined = self.session(job.model).and_then(|session| {
            let line = session.join(&job.prompt)?;
            Ok((line, session.prompt(line)?.1))
        });
        match joined {
            Ok((line, cached)) => {
                self.metrics.prompt(job.prompt.len(), cached);
                // the client may have disconnected, which the next step notices
                drop(job.events.send(Event::Read { cached }));
                let running = Running::new(&served, Arc::new(job), line, 0);
                self.running.push(running);
            }
            Err(error) => Work::Write(Box::new(job)).refuse(error.into()),
        }
    }

    /// Embeds some texts of one request, so that other requests get their turn in between.
    fn embed_some(&mut self) {
        let Some((job, mut vectors)) = self.embedding.pop_front().filter(|(job, _)| !job.answer.is_closed()) else {
            return;
        };
        let served = match self.served(job.model) {
            Ok(served) => served,
            Err(error) => return drop(job.answer.send(Err(error.into()))),
        };
        let next = &job.texts[vectors.len()..job.texts.len().min(vectors.len() + EMBEDDED_AT_ONCE)];
        let made = guarded(|| match &job.query {
            Some(query) => vectors::rank(&served, query, next),
            None => vectors::embed(&served, next),
        });
        match made {
            Ok(more) => vectors.extend(more),
            Err(error) => return drop(job.answer.send(Err(error.into()))),
        }
        match vectors.len() < job.texts.len() {
            true => self.embedding.push_back((job, vectors)),
            false => drop(job.answer.send(Ok(vectors))),
        }
    }

    /// One token of every text, a part of the prompts, and some embeddings.
    fn step(&mut self) {
        let started = Instant::now();
        self.drop_left();
        self.embed_some();
        for model in 0..self.sessions.len() {
            let fresh = match &mut self.sessions[model] {
                Some(session) if !session.is_empty() => guarded(|| session.step()),
                _ => continue,
            };
            match fresh {
                Ok(fresh) => fresh.into_iter().for_each(|line| self.advance(model, line)),
                Err(error) => self.fail(model, &error),
            }
        }
        self.metrics.step(self.running.len(), started.elapsed());
    }

    /// Frees the places of answers whose client has disconnected.
    fn drop_left(&mut self) {
        for running in self.running.extract_if(.., |running| running.job.events.is_closed()) {
            if let Some(session) = &mut self.sessions[running.job.model] {
                session.leave(running.line);
            }
            self.metrics.dropped();
        }
    }

    /// Ends the texts of a model whose computation failed, with the error.
    fn fail(&mut self, model: usize, error: &Error) {
        self.sessions[model] = None;
        for running in self.running.extract_if(.., |running| running.job.model == model) {
            drop(running.job.events.send(Event::Failed(ApiError::internal(error.to_string()))));
        }
    }

    fn advance(&mut self, model: usize, line: LineId) {
        let Some(at) = self.running.iter().position(|run| run.job.model == model && run.line == line) else { return };
        let Ok(served) = self.served(model) else { return };
        let Some(session) = &mut self.sessions[model] else { return };
        let mut all = vec![];
        if self.running[at].new == 0 && self.running[at].choice == 0 {
            // the other answers continue from the end of the prompt
            for choice in 1..self.running[at].job.choices {
                if let Ok(line) = session.fork(line) {
                    all.push(Running::new(&served, self.running[at].job.clone(), line, choice));
                }
            }
        }
        all.insert(0, self.running.remove(at));
        for mut running in all.into_iter().rev() {
            let before = running.new;
            let ended = guarded(|| running.advance(session));
            if running.new > before {
                self.metrics.token(running.new, running.asked.elapsed());
            }
            match ended {
                Ok(None) => self.running.insert(at, running),
                Ok(Some(reason)) => {
                    session.leave(running.line);
                    running.end(reason);
                }
                Err(error) => {
                    session.leave(running.line);
                    drop(running.job.events.send(Event::Failed(ApiError::internal(error.to_string()))));
                }
            }
        }
    }
}

/// Sends the likelihoods of a prompt's tokens, if requested. This reads the whole prompt once, and again to continue it.
fn tell_prompt(served: &Served, job: &Job) -> Result<()> {
    let Some(count) = job.top_logprobs.filter(|_| job.prompt_logprobs) else { return Ok(()) };
    let mut chances: Vec<TokenChance> =
        job.prompt.first().map(|&id| TokenChance { id, logprob: None, top: Vec::new() }).into_iter().collect();
    guarded(|| {
        served.net.each_logits(&job.prompt, |at, logits| {
            chances.extend(job.prompt.get(at + 1).map(|&next| chance(logits, next, count)));
        })
    })?;
    let choices = job.first..job.first + job.choices;
    // the client may have disconnected
    drop(job.events.send(Event::Prompt { choices, chances }));
    Ok(())
}

/// Answers a request for its prompt alone.
fn end_at_once(job: &Job) {
    drop(job.events.send(Event::Read { cached: 0 }));
    for choice in job.first..job.first + job.choices {
        drop(job.events.send(Event::End { choice, text: String::new(), reason: FinishReason::Length }));
    }
}

pub fn stopping() -> ApiError {
    ApiError::with(axum::http::StatusCode::SERVICE_UNAVAILABLE, "stopping", "the server is stopping")
}

/// A panic ends the current work, not the server.
fn guarded<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    let ended = |_| Error::new("serve", "an internal error: please report it");
    catch_unwind(AssertUnwindSafe(work)).map_err(ended)?
}

impl Running {
    fn new(served: &Served, job: Arc<Job>, line: LineId, choice: usize) -> Running {
        let writer = Detokenizer::new(&served.tok, &job.stops, job.skip_special);
        let (rng, constraint) = (Rng::new(job.seed).split(choice as u64), job.constraint.clone());
        Running { job, line, choice, new: 0, rng, writer, constraint, asked: Instant::now() }
    }

    /// Lines of a request whose prompt is being read.
    fn due(&self) -> usize {
        if self.choice == 0 { self.job.choices } else { 1 }
    }

    /// Chooses the next token and sends it; returns the finish reason if the text ends.
    fn advance(&mut self, session: &mut Session) -> Result<Option<FinishReason>> {
        let (logits, ids) = session.logits(self.line)?;
        let before = self.job.top_logprobs.map(|_| logits.to_vec());
        if let Some(constraint) = &mut self.constraint
            && !constraint.narrow(logits)?
        {
            return Ok(Some(FinishReason::Stop));
        }
        let Some(id) = self.job.sampling.next(logits, ids, self.new, &mut self.rng)? else {
            return Ok(Some(FinishReason::Stop));
        };
        if let Some(constraint) = &mut self.constraint {
            constraint.take(id)?;
        }
        let room = session.push(self.line, id)?;
        self.new += 1;
        let chance = before.map(|logits| chance(&logits, id, self.job.top_logprobs.unwrap_or(0)));
        let text = self.writer.push(id)?;
        // the next step notices a disconnected client
        drop(self.job.events.send(Event::Token { choice: self.job.first + self.choice, text, chance }));
        Ok(match (self.writer.stopped, self.new < self.job.sampling.max_new_tokens && room) {
            (true, _) => Some(FinishReason::Stop),
            (false, true) => None,
            (false, false) => Some(FinishReason::Length),
        })
    }

    fn end(mut self, reason: FinishReason) {
        let text = self.writer.finish().unwrap_or_default();
        drop(self.job.events.send(Event::End { choice: self.job.first + self.choice, text, reason }));
    }
}

/// The likelihood of a token, and of the likeliest alternatives.
fn chance(logits: &[f32], id: u32, count: usize) -> TokenChance {
    let highest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = logits.iter().map(|logit| f64::from(logit - highest).exp()).sum();
    let logprob = |id: u32| f64::from(logits[id as usize] - highest) - sum.ln();
    let mut order: Vec<u32> = (0..logits.len() as u32).collect();
    let falling = |a: &u32, b: &u32| logits[*b as usize].total_cmp(&logits[*a as usize]).then(a.cmp(b));
    if count > 0 && count < order.len() {
        order.select_nth_unstable_by(count, falling);
    }
    order.truncate(count);
    order.sort_unstable_by(falling);
    TokenChance { id, logprob: Some(logprob(id)), top: order.into_iter().map(|id| (id, logprob(id))).collect() }
}

//! The tasks that a worker can do.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::job::Job;
use super::outcome::Failed;
use super::task::{Limits, Task};

/// The tasks of a worker by name. `C` is what they share: a toolbox, an artifact store, the boards of a host.
///
/// ```
/// use k1_hil::conductor::{Failed, Job, Limits, Registry};
/// use schemars::JsonSchema;
/// use serde::{Deserialize, Serialize};
///
/// /// What all tasks of this worker share.
/// struct Lab {
///     boards: Vec<String>,
/// }
///
/// #[derive(Deserialize, JsonSchema)]
/// struct Find {
///     board: String,
/// }
///
/// #[derive(Serialize, JsonSchema)]
/// struct Found {
///     number: usize,
/// }
///
/// async fn find_board(input: Find, job: Job<Lab>) -> Result<Found, Failed> {
///     job.log(format!("looking for {}", input.board));
///     let number = job.context.boards.iter().position(|board| *board == input.board);
///     let number = number.ok_or_else(|| Failed::input("board", format!("no board is called {:?}", input.board)))?;
///     Ok(Found { number })
/// }
///
/// let registry = Registry::<Lab>::new()
///     .task("find_board", "Looks a board up.", Limits::seconds(30), find_board);
///
/// let definition = &registry.definitions("hil@example.org")[0];
/// assert_eq!(definition["inputKeys"][0], "board");
/// ```
#[derive(Debug)]
pub struct Registry<C = ()> {
    tasks: BTreeMap<&'static str, Task<C>>,
}

impl<C> Registry<C> {
    /// No tasks.
    pub fn new() -> Self {
        Self { tasks: BTreeMap::new() }
    }

    /// With one more task: `work` is an async function from the input type `I` to the output type `O`, which is a
    /// JSON object. Its errors become [`Failed`] by `?`; what was found, however bad, is an output and no error.
    ///
    /// Work that is dropped must end: programs that `tools::process` starts do. It may run more than once for the same
    /// step of a workflow (a retry, a worker that died), each time with another [`Job::task_id`].
    ///
    /// # Panics
    ///
    /// If there is a task of that name already.
    #[must_use]
    pub fn task<I, O, F, Fut>(
        mut self,
        name: &'static str,
        description: &'static str,
        limits: Limits,
        work: F,
    ) -> Self
    where
        I: DeserializeOwned + JsonSchema + Send + 'static,
        O: Serialize + JsonSchema + 'static,
        F: Fn(I, Job<C>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<O, Failed>> + Send + 'static,
    {
        self.insert(Task::new(name, description, limits, work));
        self
    }

    /// With the tasks of `other` too.
    ///
    /// # Panics
    ///
    /// If both have a task of the same name.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        other.tasks.into_values().for_each(|task| self.insert(task));
        self
    }

    fn insert(&mut self, task: Task<C>) {
        let name = task.name;
        let before = self.tasks.insert(name, task);
        assert!(before.is_none(), "two tasks are called {name}");
    }

    /// The task of that name.
    pub fn get(&self, name: &str) -> Option<&Task<C>> {
        self.tasks.get(name)
    }

    /// All tasks, in alphabetical order.
    pub fn iter(&self) -> impl Iterator<Item = &Task<C>> {
        self.tasks.values()
    }

    /// The definitions of all tasks, in alphabetical order, as the server wants them in one list.
    pub fn definitions(&self, owner: &str) -> Vec<Value> {
        self.iter().map(|task| task.definition(owner)).collect()
    }
}

impl<C> Default for Registry<C> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &'static str) -> Registry {
        Registry::new().task(name, "", Limits::seconds(1), async |(): (), _| Ok(()))
    }

    #[test]
    fn tasks_of_two_registries_are_together_and_in_order() {
        let both = named("b").and(named("a"));
        assert_eq!(both.iter().map(|task| task.name).collect::<Vec<_>>(), ["a", "b"]);
        assert!(both.get("a").is_some() && both.get("c").is_none());
    }

    #[test]
    #[should_panic(expected = "two tasks are called a")]
    fn a_name_stands_for_one_task() {
        let _ = named("a").and(named("a"));
    }
}

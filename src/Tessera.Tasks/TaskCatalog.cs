namespace Tessera.Tasks;

/// <summary>All tasks by name.</summary>
public static class TaskCatalog
{
    /// <summary>Every task, in a fixed order that the draws of a <see cref="ProblemSource"/> depend on.</summary>
    public static IReadOnlyList<IProblemTask> All { get; } =
        [new AddTask(), new SubtractTask(), new MultiplyTask(), new ChainTask(), new CompareTask(), new SortTask()];

    /// <summary>The task of that name.</summary>
    /// <exception cref="ArgumentException">There is none; the sentence lists those that are there.</exception>
    public static IProblemTask Get(string name)
    {
        foreach (IProblemTask task in All)
        {
            if (task.Name == name)
            {
                return task;
            }
        }

        string known = string.Join(", ", All.Select(task => task.Name));
        throw new ArgumentException($"There is no task '{name}'; known tasks are {known}.", nameof(name));
    }
}

namespace Tessera.Runs.Jobs;

/// <summary>Works through a plan of jobs beside any number of other processes that do the same.</summary>
/// <param name="folder">Where leases and records lie.</param>
public sealed class JobBoard(JobFolder folder)
{
    /// <summary>
    /// Returns when every wanted job is done, by this process or another. Of the jobs that can be begun the earliest of the plan is
    /// taken first; where others hold all of them, this process waits.
    /// </summary>
    /// <param name="plan">All jobs, each behind those that it needs.</param>
    /// <param name="onDone">Called with the number of wanted jobs that are done, whoever did them, whenever that is looked up.</param>
    /// <returns>How many of the wanted jobs this call did itself.</returns>
    /// <exception cref="DamagedJobException">A job found that an earlier one's files are damaged.</exception>
    public int Run(IReadOnlyList<Job> plan, Action<int> onDone)
    {
        int wanted = plan.Count(job => job.IsWanted), own = 0, known = -1;
        var wait = FirstWait;
        for (; ; )
        {
            var done = folder.Done();
            if (done.Count != known)
            {
                (known, wait) = (done.Count, FirstWait);
            }

            int open = plan.Count(job => job.IsWanted && !done.Contains(job.Name));
            onDone(wanted - open);
            if (open == 0)
            {
                return own;
            }

            var job = TryRunOne(Needed(plan, done), done);
            own += job is { IsWanted: true } ? 1 : 0;
            if (job is null)
            {
                Thread.Sleep(wait);
                wait = wait * 2 < folder.Poll ? wait * 2 : folder.Poll;
            }
        }
    }

    // Short jobs are waited for in short steps, long ones in steps of the folder's poll.
    private TimeSpan FirstWait => folder.Poll / 32;

    /// <summary>
    /// Does something that only one process may do at a time: waits until it is this one's turn, or until there is nothing left to do.
    /// </summary>
    /// <param name="name">Name of the lease.</param>
    /// <param name="isDone">Whether another has done it meanwhile; asked before every attempt, with whether it was waited for.</param>
    /// <param name="run">Does it.</param>
    public void RunAlone(string name, Func<bool, bool> isDone, Action run)
    {
        for (bool waited = false; !isDone(waited); waited = true)
        {
            using (var lease = folder.TryClaim(name))
            {
                if (lease is not null)
                {
                    if (!isDone(waited))
                    {
                        run();
                    }

                    return;
                }
            }

            Thread.Sleep(folder.Poll);
        }
    }

    /// <summary>Open jobs that are wanted, and those without which one of them cannot be begun.</summary>
    private static List<Job> Needed(IReadOnlyList<Job> plan, HashSet<string> done)
    {
        var needed = new HashSet<string>(StringComparer.Ordinal);
        var jobs = new List<Job>();
        for (int i = plan.Count - 1; i >= 0; i--)
        {
            var job = plan[i];
            if (!done.Contains(job.Name) && (job.IsWanted || needed.Contains(job.Name)))
            {
                jobs.Add(job);
                needed.UnionWith(job.Needs);
            }
        }

        jobs.Reverse();
        return jobs;
    }

    /// <summary>Does the first job that can be begun and that nobody else is at; null where there is none.</summary>
    private Job? TryRunOne(List<Job> jobs, HashSet<string> done)
    {
        foreach (var job in jobs.Where(job => job.Needs.All(done.Contains)))
        {
            using var lease = folder.TryClaim(job.Name);
            if (lease is not null)
            {
                lease.Complete(job.Run());
                return job;
            }
        }

        return null;
    }
}

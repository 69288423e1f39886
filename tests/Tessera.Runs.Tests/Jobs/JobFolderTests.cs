using System.Collections.Concurrent;
using System.Diagnostics;
using Tessera.Runs.Jobs;

namespace Tessera.Runs.Tests.Jobs;

/// <summary>Claims, heartbeats and takeovers.</summary>
public sealed class JobFolderTests : IDisposable
{
    private static readonly JobFolderOptions Options = new(TimeSpan.FromHours(1), TimeSpan.FromSeconds(60), TimeSpan.FromMilliseconds(1));
    private readonly TemporaryFolder _root = new();
    private readonly ManualClock _clock = new();

    [Fact]
    public void A_job_has_one_owner_until_it_is_given_back_and_none_once_it_is_done()
    {
        using var one = Open();
        using var other = Open();
        using (var lease = one.TryClaim("a")!)
        {
            Assert.Equal("a", lease.Job);
            Assert.Null(other.TryClaim("a"));
            Assert.Null(one.TryClaim("a"));
            using var second = other.TryClaim("b");
            Assert.NotNull(second);
        }

        using (var lease = other.TryClaim("a")!)
        {
            lease.Complete(JobRecord.Of(("loss", [0.1, double.Epsilon])));
        }

        Assert.Null(one.TryClaim("a"));
        Assert.Equal(["a"], one.Done());
        Assert.Equal([0.1, double.Epsilon], one.Read("a").Numbers("loss"));
        Assert.Empty(one.Read("a").Numbers("accuracy"));
        Assert.Empty(Directory.GetFiles(_root["jobs"], "*.lease"));
        one.Discard("a");
        using var again = one.TryClaim("a");
        Assert.NotNull(again);
    }

    [Fact]
    public void The_lease_of_a_process_that_is_gone_is_taken_over_at_once()
    {
        using var folder = Open();
        WriteLease("a", Ended());
        using var lease = folder.TryClaim("a");
        Assert.NotNull(lease);
        Assert.Contains($"\"process\":{Environment.ProcessId},", File.ReadAllText(_root["jobs/a.lease"]), StringComparison.Ordinal);
    }

    [Fact]
    public void A_number_that_another_process_has_now_is_not_the_owner()
    {
        using var folder = Open();
        WriteLease("a", JobOwner.New() with { Started = "1" });
        using var lease = folder.TryClaim("a");
        Assert.NotNull(lease);
    }

    [Fact]
    public void The_lease_of_another_machine_stands_until_no_heartbeat_was_seen_for_the_expiry()
    {
        using var folder = Open();
        WriteLease("a", Ended() with { Host = "elsewhere" });
        Assert.Null(folder.TryClaim("a"));
        _clock.Move(59);
        Assert.Null(folder.TryClaim("a"));

        // A heartbeat begins a new count, by the clock of who looks, whatever time the file says.
        File.SetLastWriteTimeUtc(_root["jobs/a.lease"], new DateTime(2001, 1, 1, 0, 0, 0, DateTimeKind.Utc));
        _clock.Move(2);
        Assert.Null(folder.TryClaim("a"));
        _clock.Move(59);
        Assert.Null(folder.TryClaim("a"));
        _clock.Move(2);
        using var lease = folder.TryClaim("a");
        Assert.NotNull(lease);
    }

    [Fact]
    public void Owners_give_signs_of_life()
    {
        using var folder = JobFolder.Open(_root["jobs"], Options with { Heartbeat = TimeSpan.FromMilliseconds(20) });
        using var lease = folder.TryClaim("a");
        string path = _root["jobs/a.lease"];
        var longAgo = new DateTime(2001, 1, 1, 0, 0, 0, DateTimeKind.Utc);
        File.SetLastWriteTimeUtc(path, longAgo);
        var waited = Stopwatch.StartNew();
        while (File.GetLastWriteTimeUtc(path) == longAgo)
        {
            Assert.True(waited.Elapsed < TimeSpan.FromSeconds(30), "no heartbeat came");
            Thread.Sleep(5);
        }
    }

    [Fact]
    public void A_lease_that_was_lost_is_not_taken_from_its_new_owner()
    {
        using var sleeper = Open();
        using var other = Open();
        var lost = sleeper.TryClaim("a")!;
        WriteLease("a", JobOwner.New());
        string taken = File.ReadAllText(_root["jobs/a.lease"]);
        lost.Dispose();
        Assert.Equal(taken, File.ReadAllText(_root["jobs/a.lease"]));
        Assert.Null(other.TryClaim("a"));
    }

    [Fact]
    public void A_lease_or_record_that_is_none_is_nobodys()
    {
        using var folder = Open();
        File.WriteAllText(_root["jobs/a.lease"], "{\"owner\":");
        using (folder.TryClaim("a"))
        {
            File.WriteAllText(_root["jobs/b.json"], "{\"files\":[");
            var damage = Assert.Throws<DamagedJobException>(() => folder.Read("b"));
            Assert.Equal("b", damage.Job);
            Assert.Contains(_root["jobs/b.json"], damage.Message, StringComparison.Ordinal);
            damage.Discard();
            Assert.False(folder.IsDone("b"));
        }
    }

    [Theory]
    [InlineData("other words", "does not hold what job 'a' left")]
    [InlineData("shorter", "does not hold what job 'a' left")]
    [InlineData(null, "the file is missing")]
    public void Files_are_held_against_their_records(string? content, string expected)
    {
        using var folder = Open();
        string path = _root["weights.bin"];
        File.WriteAllText(path, "these words");
        using (var lease = folder.TryClaim("a")!)
        {
            lease.Complete(new JobRecord([folder.Describe(path)], []));
        }

        var file = folder.Read("a").Files.Single();
        Assert.Equal(("weights.bin", 11L), (file.Name, file.Bytes));
        Assert.Equal(path, folder.Verified("a", file));
        File.Delete(path);
        if (content is not null)
        {
            File.WriteAllText(path, content);
        }

        var damage = Assert.Throws<DamagedJobException>(() => folder.Verified("a", file));
        Assert.Contains(path, damage.Message, StringComparison.Ordinal);
        Assert.Contains(expected, damage.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Of_many_that_work_through_one_plan_each_job_is_done_by_one_and_after_what_it_needs()
    {
        var runs = new ConcurrentQueue<string>();
        Job Make(string name, params string[] needs) => new(name, needs, () =>
        {
            Thread.Sleep(1);
            Assert.All(needs, need => Assert.Contains(need, runs));
            runs.Enqueue(name);
            return JobRecord.Of(("value", [runs.Count]));
        });
        Job[] plan =
        [
            Make("first") with { IsWanted = false }, Make("unused", "first") with { IsWanted = false },
            .. Enumerable.Range(0, 40).Select(i => Make($"job{i}", i % 2 == 0 ? [] : ["first", $"job{i - 1}"])),
        ];
        Parallel.For(0, 6, new ParallelOptions { MaxDegreeOfParallelism = 6 }, _ =>
        {
            using var folder = JobFolder.Open(_root["jobs"], Options);
            int last = 0;
            new JobBoard(folder).Run(plan, done =>
            {
                Assert.True(done >= last, $"{done} after {last}");
                last = done;
            });
        });
        Assert.Equal(plan.Select(job => job.Name).Where(name => name != "unused").Order(), runs.Order());
    }

    [Fact]
    public void A_job_that_fails_leaves_its_place_to_the_next()
    {
        using var folder = Open();
        int attempts = 0;
        Job[] plan = [new("a", [], () => attempts++ == 0 ? throw new IOException("the disk is full") : JobRecord.Of())];
        var board = new JobBoard(folder);
        Assert.Equal("the disk is full", Assert.Throws<IOException>(() => board.Run(plan, _ => { })).Message);
        Assert.Empty(Directory.GetFiles(_root["jobs"], "*.lease"));
        board.Run(plan, _ => { });
        Assert.True(folder.IsDone("a"));
    }

    [Fact]
    public void What_one_does_alone_the_others_wait_for()
    {
        int active = 0, done = 0;
        Parallel.For(0, 4, new ParallelOptions { MaxDegreeOfParallelism = 4 }, _ =>
        {
            using var folder = JobFolder.Open(_root["jobs"], Options);
            new JobBoard(folder).RunAlone("finish", waited => waited && Volatile.Read(ref done) > 0, () =>
            {
                Assert.Equal(1, Interlocked.Increment(ref active));
                Thread.Sleep(20);
                Interlocked.Decrement(ref active);
                Interlocked.Increment(ref done);
            });
        });
        Assert.InRange(done, 1, 4);
    }

    public void Dispose() => _root.Dispose();

    private JobFolder Open() => JobFolder.Open(_root["jobs"], Options, _clock);

    private void WriteLease(string job, JobOwner owner)
    {
        Directory.CreateDirectory(_root["jobs"]);
        File.WriteAllText(
            _root[$"jobs/{job}.lease"],
            $$"""{"owner":{"host":"{{owner.Host}}","process":{{owner.Process}},"started":"{{owner.Started}}","token":"{{owner.Token}}"},"expiry_seconds":60}""");
    }

    /// <summary>A process of this machine that has ended.</summary>
    private static JobOwner Ended()
    {
        using var process = Process.Start(new ProcessStartInfo(Environment.ProcessPath!, "--help") { RedirectStandardOutput = true, RedirectStandardError = true })!;
        process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return JobOwner.New() with { Process = process.Id, Started = "123" };
    }
}

using System.Diagnostics;
using System.Runtime.InteropServices;
using Tessera.Devices;

namespace Tessera.Cli.Tests.Hostile;

/// <summary>
/// Feeds a reader with mutants. Each is given by seed and index alone, so one that fails can be made again; its bytes are kept as well.
/// A mutant fails if reading it ends with another exception than a complaint about the file, if the complaint does not name file and
/// field in one line, or if it takes more than a second of the thread's own processor time or more memory than the target allows. A reader that
/// does not come back is noticed by the waiting thread.
/// </summary>
internal sealed partial class FuzzRun(FuzzTarget target, ulong seed) : IDisposable
{
    private const double SecondsPerMutant = 1;
    private const int LongestMessage = 2000;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("tessera-fuzz-");
    private long _beat = Stopwatch.GetTimestamp();
    private byte[] _current = [];
    private int _index;

    /// <summary>How many mutants were read without a complaint.</summary>
    public int Accepted { get; private set; }

    /// <summary>How many were refused with a proper message.</summary>
    public int Refused { get; private set; }

    /// <summary>The longest processor time of one mutant.</summary>
    public double MostSeconds { get; private set; }

    /// <summary>The most bytes that reading one mutant allocated.</summary>
    public long MostBytes { get; private set; }

    /// <summary>Failures, each with what is needed to see it again.</summary>
    public List<string> Failures { get; } = [];

    /// <summary>Reads the originals, which must be accepted, then the mutants.</summary>
    public void Run(int mutants)
    {
        foreach (byte[] original in target.Originals)
        {
            target.Read(Write(original));
        }

        Exception? broken = null;
        var worker = new Thread(() =>
        {
            try
            {
                for (int i = 0; i < mutants && Failures.Count < 20; i++)
                {
                    Try(i);
                }
            }
            catch (IOException problem)
            {
                broken = problem;
            }
        }, 16 << 20) { IsBackground = true, Name = $"fuzz {target.Name}" };
        Volatile.Write(ref _beat, Stopwatch.GetTimestamp());
        worker.Start();
        while (!worker.Join(TimeSpan.FromSeconds(1)))
        {
            if (Stopwatch.GetElapsedTime(Volatile.Read(ref _beat)) > Patience)
            {
                Fail($"does not come back within {Patience.TotalSeconds} s");
                return;
            }
        }

        if (broken is not null)
        {
            throw broken;
        }
    }

    /// <inheritdoc />
    public void Dispose() => _folder.Delete(recursive: true);

    private static double ThreadSeconds()
    {
        const int ThreadCpuTime = 3;
        if (!OperatingSystem.IsLinux() || ClockGetTime(ThreadCpuTime, out Time time) != 0)
        {
            return Stopwatch.GetTimestamp() / (double)Stopwatch.Frequency;
        }

        return time.Seconds + (time.Nanoseconds * 1e-9);
    }

    [LibraryImport("libc", EntryPoint = "clock_gettime")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int ClockGetTime(int clock, out Time time);

    private void Try(int index)
    {
        var random = new CounterRandom(seed + (ulong)index, 0xF022);
        byte[] original = target.Originals[random.Next(target.Originals.Count)], other = target.Originals[random.Next(target.Originals.Count)];
        byte[] mutant = target.Mutators[random.Next(target.Mutators.Count)](original, other, ref random);
        string path = Write(mutant);
        (_index, _current) = (index, mutant);
        Volatile.Write(ref _beat, Stopwatch.GetTimestamp());
        long bytes = GC.GetAllocatedBytesForCurrentThread(), arenas = Arena.LiveBytes;
        double start = ThreadSeconds();
        try
        {
            target.Read(path);
            Accepted++;
        }
        catch (Exception problem) when (problem is InvalidDataException or ArgumentException or FormatException)
        {
            Refused++;
            Check(problem, path);
        }
        catch (Exception problem) when (problem is not (OutOfMemoryException or ThreadInterruptedException))
        {
            Fail($"ends with {problem.GetType().Name}: {problem.Message}\n{problem.StackTrace}");
        }

        double seconds = ThreadSeconds() - start;
        bytes = GC.GetAllocatedBytesForCurrentThread() - bytes;
        MostSeconds = Math.Max(MostSeconds, seconds);
        MostBytes = Math.Max(MostBytes, bytes);
        if (seconds > SecondsPerMutant)
        {
            Fail($"takes {seconds:F2} s");
        }

        if (bytes > target.AllocationLimit(mutant.Length) || bytes > 1L << 30)
        {
            Fail($"allocates {bytes >> 20} MiB");
        }

        if (Arena.LiveBytes > arenas)
        {
            Fail($"leaves {Arena.LiveBytes - arenas} bytes of arenas");
        }
    }

    private void Check(Exception problem, string path)
    {
        string message = problem.Message;
        if (!message.StartsWith(path, StringComparison.Ordinal) && !message.StartsWith(_folder.FullName, StringComparison.Ordinal))
        {
            Fail($"the message does not begin with the file: {problem.GetType().Name}: {message}\n{problem.StackTrace}");
        }
        else if (message.Length > LongestMessage || message.AsSpan().IndexOfAnyInRange('\0', '\u001F') >= 0)
        {
            Fail($"the message is not one line: {message[..Math.Min(message.Length, LongestMessage)]}");
        }
        else
        {
            string rest = message.Replace(path, "", StringComparison.Ordinal).Replace(_folder.FullName, "", StringComparison.Ordinal);
            if (!target.Fields.Any(field => rest.Contains(field, StringComparison.Ordinal)))
            {
                Fail($"the message names no field: {message}");
            }
        }
    }

    private string Write(byte[] content)
    {
        string path = Path.Combine(_folder.FullName, target.FileName);
        File.WriteAllBytes(path, content);
        return path;
    }

    private void Fail(string what)
    {
        string kept = Path.Combine(Path.GetTempPath(), $"tessera-mutant-{target.Name.Replace(' ', '-')}-{seed}-{_index}.bin");
        File.WriteAllBytes(kept, _current);
        lock (Failures)
        {
            Failures.Add($"{target.Name}, seed {seed}, mutant {_index} ({kept}): {what}");
        }
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct Time
    {
        public long Seconds;
        public long Nanoseconds;
    }
}

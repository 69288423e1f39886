using System.Diagnostics;
using System.Globalization;

namespace Tessera.Runs.Jobs;

/// <summary>A process, so named that another can tell whether it still runs.</summary>
/// <param name="Host">
/// The machine; on Linux with its boot and the process namespace, so that numbers of processes from before a restart or of another
/// container are never taken for those of this one.
/// </param>
/// <param name="Process">Number of the process.</param>
/// <param name="Started">When it started, as the system counts: a number that is used again belongs to another process.</param>
/// <param name="Token">Random: tells several owners in one process apart.</param>
public sealed record JobOwner(string Host, int Process, string Started, string Token)
{
    private static readonly string ThisHost = DescribeHost();

    /// <summary>A new owner in this process.</summary>
    public static JobOwner New() => new(
        ThisHost, Environment.ProcessId, StartOf(Environment.ProcessId) ?? string.Empty, Guid.NewGuid().ToString("N"));

    /// <summary>Whether the process ran on this machine and has ended. False where that cannot be known.</summary>
    public bool IsGone => Host == ThisHost && StartOf(Process) != Started;

    /// <summary>For messages: <c>process 4711 on HOST</c>.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"process {Process} on {Host.Split(' ')[0]}");

    private static string DescribeHost()
    {
        if (!OperatingSystem.IsLinux())
        {
            return Environment.MachineName;
        }

        string boot = TryRead("/proc/sys/kernel/random/boot_id").Trim();
        string? processes = new FileInfo("/proc/self/ns/pid").LinkTarget;
        return $"{Environment.MachineName} {boot} {processes}";
    }

    /// <summary>The start of a process that runs, or null where there is none; one that has ended and was not collected counts as none.</summary>
    private static string? StartOf(int process)
    {
        if (OperatingSystem.IsLinux())
        {
            // pid (name) state ...: the name may hold anything, and the start is field 22.
            string text = TryRead($"/proc/{process}/stat");
            string[] fields = text[(text.LastIndexOf(')') + 1)..].Split(' ', StringSplitOptions.RemoveEmptyEntries);
            return fields.Length > 19 && fields[0] is not ("Z" or "X") ? fields[19] : null;
        }

        try
        {
            using var found = System.Diagnostics.Process.GetProcessById(process);
            return found.HasExited ? null : found.StartTime.ToUniversalTime().Ticks.ToString(CultureInfo.InvariantCulture);
        }
        catch (Exception exception) when (exception is ArgumentException or InvalidOperationException or System.ComponentModel.Win32Exception)
        {
            return null;
        }
    }

    private static string TryRead(string path)
    {
        try
        {
            return File.ReadAllText(path);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return string.Empty;
        }
    }
}

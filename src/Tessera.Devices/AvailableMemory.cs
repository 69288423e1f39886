using System.Globalization;

namespace Tessera.Devices;

/// <summary>How much more memory this process can take: the least of what the machine and the control groups around it leave.</summary>
public static class AvailableMemory
{
    private const string ControlGroups = "/sys/fs/cgroup";

    /// <summary>Bytes, or null where the system does not say.</summary>
    public static long? Bytes()
    {
        long? machine = Meminfo("MemAvailable:");
        long? unified = Left(Path.Combine(ControlGroups, "memory.max"), Path.Combine(ControlGroups, "memory.current"));
        long? legacy = Left(
            Path.Combine(ControlGroups, "memory", "memory.limit_in_bytes"), Path.Combine(ControlGroups, "memory", "memory.usage_in_bytes"));
        long?[] known = [machine, unified, legacy];
        return known.Min();
    }

    private static long? Meminfo(string key)
    {
        string? line = File.Exists("/proc/meminfo")
            ? File.ReadLines("/proc/meminfo").FirstOrDefault(text => text.StartsWith(key, StringComparison.Ordinal))
            : null;
        return line is not null && Number(line[key.Length..].Replace("kB", "", StringComparison.Ordinal)) is { } kibibytes
            ? kibibytes * 1024
            : null;
    }

    private static long? Left(string limitFile, string usageFile)
    {
        // "max" is no number: there is no limit.
        if (Read(limitFile) is not { } limit || Read(usageFile) is not { } usage)
        {
            return null;
        }

        return Math.Max(0, limit - usage);
    }

    private static long? Read(string file) => File.Exists(file) ? Number(File.ReadAllText(file)) : null;

    private static long? Number(string text) =>
        long.TryParse(text.AsSpan().Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out long value) ? value : null;
}

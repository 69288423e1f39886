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
        long? unified = Left(ControlGroups, "memory.max", "memory.current", "inactive_file ");
        long? legacy = Left(
            Path.Combine(ControlGroups, "memory"), "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file ");
        long?[] known = [machine, unified, legacy];
        return known.Min();
    }

    private static long? Meminfo(string key) =>
        Line("/proc/meminfo", key) is { } text && Number(text.Replace("kB", "", StringComparison.Ordinal)) is { } kibibytes
            ? kibibytes * 1024
            : null;

    private static long? Left(string folder, string limitFile, string usageFile, string cachedKey)
    {
        // "max" is no number: there is no limit.
        if (Read(Path.Combine(folder, limitFile)) is not { } limit || Read(Path.Combine(folder, usageFile)) is not { } usage)
        {
            return null;
        }

        // Pages of files that nobody has asked for lately count as used, and give way.
        long cached = Line(Path.Combine(folder, "memory.stat"), cachedKey) is { } text ? Number(text) ?? 0 : 0;
        return Math.Max(0, limit - usage + cached);
    }

    private static string? Line(string file, string key) => File.Exists(file)
        ? File.ReadLines(file).FirstOrDefault(text => text.StartsWith(key, StringComparison.Ordinal))?[key.Length..]
        : null;

    private static long? Read(string file) => File.Exists(file) ? Number(File.ReadAllText(file)) : null;

    private static long? Number(string text) =>
        long.TryParse(text.AsSpan().Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out long value) ? value : null;
}

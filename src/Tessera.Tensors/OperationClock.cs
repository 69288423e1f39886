using System.Diagnostics;

namespace Tessera.Tensors;

/// <summary>
/// Where the time of a training step goes: operations run one after the other, so the time from one lap to the next belongs to
/// what has just ended.
/// </summary>
public sealed class OperationClock
{
    private readonly Dictionary<string, double> _seconds = [];
    private long _last = Stopwatch.GetTimestamp();

    /// <summary>Seconds of every operation so far.</summary>
    public IReadOnlyDictionary<string, double> Seconds => _seconds;

    /// <summary>Begins a stretch: the time before belongs to nobody.</summary>
    public void Start() => _last = Stopwatch.GetTimestamp();

    /// <summary>Gives the time since the last lap to an operation.</summary>
    public void Lap(string operation)
    {
        long now = Stopwatch.GetTimestamp();
        _seconds[operation] = _seconds.GetValueOrDefault(operation) + Stopwatch.GetElapsedTime(_last, now).TotalSeconds;
        _last = now;
    }
}

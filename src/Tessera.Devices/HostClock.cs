using System.Diagnostics;

namespace Tessera.Devices;

/// <summary>The host's clock, for devices whose work is done when a call returns.</summary>
internal sealed class HostClock : DeviceClock
{
    private readonly List<long> _marks = [];

    /// <inheritdoc />
    public override double SteadySeconds => 0.02;

    /// <inheritdoc />
    public override int Mark()
    {
        _marks.Add(Stopwatch.GetTimestamp());
        return _marks.Count - 1;
    }

    /// <inheritdoc />
    public override double Seconds(int from, int to) => Stopwatch.GetElapsedTime(_marks[from], _marks[to]).TotalSeconds;

    /// <inheritdoc />
    public override void Reset() => _marks.Clear();

    /// <inheritdoc />
    protected override void Dispose(bool disposing)
    {
    }
}

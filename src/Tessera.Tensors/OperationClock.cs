using Tessera.Devices;

namespace Tessera.Tensors;

/// <summary>
/// Where the time of a training step goes: operations run one after the other, so the time from one lap to the next belongs to
/// what has just ended.
/// </summary>
/// <remarks>On a card laps are marks in its stream: they wait for nothing, and the time is the card's.</remarks>
public sealed class OperationClock : IDisposable
{
    private readonly DeviceClock _clock;
    private readonly List<string> _laps = [];
    private readonly Dictionary<string, double> _seconds = [];

    /// <summary>A clock of what a device is asked to do.</summary>
    public OperationClock(Device device)
    {
        _clock = device.CreateClock();
        Start();
    }

    /// <summary>Seconds of every operation so far; the stretch that was begun ends.</summary>
    public IReadOnlyDictionary<string, double> Seconds
    {
        get
        {
            Start();
            return _seconds;
        }
    }

    /// <summary>Begins a stretch: the time before belongs to nobody.</summary>
    public void Start()
    {
        for (int i = 0; i < _laps.Count; i++)
        {
            _seconds[_laps[i]] = _seconds.GetValueOrDefault(_laps[i]) + _clock.Seconds(i, i + 1);
        }

        _laps.Clear();
        _clock.Reset();
        _clock.Mark();
    }

    /// <summary>Gives the time since the last lap to an operation.</summary>
    public void Lap(string operation)
    {
        _clock.Mark();
        _laps.Add(operation);
    }

    /// <inheritdoc />
    public void Dispose() => _clock.Dispose();
}

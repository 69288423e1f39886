namespace Tessera.Devices;

/// <summary>A card's clock: timed events in its stream, which have steps of half a microsecond.</summary>
internal sealed class CudaClock : DeviceClock
{
    private readonly CudaDevice _device;
    private readonly List<CudaEvent> _events = [];
    private int _marks;

    public CudaClock(CudaDevice device) => _device = device;

    /// <inheritdoc />
    public override double SteadySeconds => 0.005;

    /// <inheritdoc />
    public override int Mark()
    {
        if (_marks == _events.Count)
        {
            _events.Add(_device.CreateEvent(timed: true));
        }

        _device.Stream.Record(_events[_marks]);
        return _marks++;
    }

    /// <inheritdoc />
    public override double Seconds(int from, int to)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(to, _marks);
        _events[to].Synchronize();
        return _events[to].MillisecondsSince(_events[from]) / 1000.0;
    }

    /// <inheritdoc />
    public override void Reset() => _marks = 0;

    /// <inheritdoc />
    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _events.ForEach(mark => mark.Dispose());
            _events.Clear();
        }
    }
}

namespace Tessera.Devices;

/// <summary>Runs work that comes again and again: as it is, or, on a device that records, as the launch of what was recorded.</summary>
/// <remarks>
/// The first time a key is met its work runs as it is: kernels are loaded and arenas take their memory. The second time it is recorded
/// and launched, from then on it is only launched. Under one key the work must ask for the same things of the same addresses;
/// what differs between runs lies in the device's memory and is uploaded before. The result of a launch is that of the recording, so
/// it holds addresses and shapes, not values.
/// Which keys are kept changes no bit of any result. The key that was not used for longest is dropped for a new one.
/// One thread at a time may call it, as with the device.
/// </remarks>
/// <typeparam name="TKey">What tells work that can share a recording from other work.</typeparam>
/// <typeparam name="TResult">Where results lie.</typeparam>
public sealed class WorkRecorder<TKey, TResult> : IDisposable
    where TKey : notnull
{
    private readonly Device _device;
    private readonly int _capacity;
    private readonly bool _records;
    private readonly Dictionary<TKey, Entry> _entries = [];
    private long _runs;

    /// <summary>A recorder without recordings.</summary>
    /// <param name="device">Where work runs.</param>
    /// <param name="capacity">Most keys that are kept.</param>
    /// <param name="records">False for work that always runs as it is: the reference of what is recorded.</param>
    public WorkRecorder(Device device, int capacity, bool records = true)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(capacity, 1);
        _device = device;
        _capacity = capacity;
        _records = records && device.RecordsWork && !device.IsPlanning;
    }

    /// <summary>Keys that are kept.</summary>
    public int Count => _entries.Count;

    /// <summary>Times that work was recorded.</summary>
    public long Recordings { get; private set; }

    /// <summary>Times that a recording was launched.</summary>
    public long Launches { get; private set; }

    /// <summary>Runs the work, or what was recorded of it.</summary>
    /// <param name="key">What it is.</param>
    /// <param name="work">Asks the device for all of it; it may neither upload, download nor wait.</param>
    public TResult Run(TKey key, Func<TResult> work)
    {
        if (!_records)
        {
            return work();
        }

        if (!_entries.TryGetValue(key, out Entry? entry))
        {
            MakeRoom();
            _entries.Add(key, new Entry { LastRun = ++_runs });
            return work();
        }

        entry.LastRun = ++_runs;
        (entry.Work ?? Record(entry, work)).Launch();
        Launches++;
        return entry.Result!;
    }

    /// <summary>Forgets all recordings: after it, work may ask for other addresses under the same keys.</summary>
    public void Clear()
    {
        foreach (Entry entry in _entries.Values)
        {
            entry.Work?.Dispose();
        }

        _entries.Clear();
    }

    /// <inheritdoc />
    public void Dispose() => Clear();

    // Of its own, so that what it captures is not there for every launch.
    private RecordedWork Record(Entry entry, Func<TResult> work)
    {
        TResult? result = default;
        entry.Work = _device.Record(() => result = work());
        entry.Result = result;
        Recordings++;
        return entry.Work;
    }

    private void MakeRoom()
    {
        if (_entries.Count < _capacity)
        {
            return;
        }

        // A few dozen keys: looking through them costs less than keeping them in order.
        var (key, entry) = _entries.MinBy(pair => pair.Value.LastRun);
        entry.Work?.Dispose();
        _entries.Remove(key);
    }

    private sealed class Entry
    {
        public RecordedWork? Work { get; set; }

        public TResult? Result { get; set; }

        public long LastRun { get; set; }
    }
}

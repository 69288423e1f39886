using System.Runtime.InteropServices;

namespace Tessera.Devices;

/// <summary>
/// A fixed set of threads that run one kernel body together. The caller is worker 0.
/// </summary>
/// <remarks>
/// Invariants: one <see cref="Run"/> at a time; every worker runs the body exactly once per call; <see cref="Run"/> returns
/// after all have finished. Workers spin for a moment between calls (a fork-join costs well under a microsecond), then park.
/// Kernels partition outputs, never sums, so results do not depend on the number of workers.
/// A body must not throw: an exception on a worker ends the process with its message.
/// </remarks>
public sealed unsafe class WorkerPool : IDisposable
{
    // Waiting begins with plain reads: on a virtual machine the processor's pause instruction can leave the guest, which made a
    // fork-join after a gap of 3 µs cost 2.4 µs. Later looks pause, then the worker parks or the caller yields.
    private const int ReadsBeforePausing = 30_000;
    private const int SpinsBeforeParking = 31_000;
    private const int LineBytes = 128;

    private readonly Thread[] _threads;
    private readonly SemaphoreSlim[] _wake;
    private readonly int[] _parked;
    private delegate*<void*, int, int, void> _body;
    private void* _context;

    // Words that one side polls while the other writes, each on lines of its own: shared lines made every write wait for the
    // poller and a fork-join cost 2 µs.
    private readonly int* _words = (int*)NativeMemory.AlignedAlloc(2 * LineBytes, LineBytes);
    private readonly int* _generation;
    private readonly int* _pending;
    private volatile bool _stop;

    /// <summary>Starts <paramref name="workers"/> − 1 threads.</summary>
    public WorkerPool(int workers)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(workers, 1);
        Count = workers;
        NativeMemory.Clear(_words, 2 * LineBytes);
        _generation = _words;
        _pending = _words + (LineBytes / sizeof(int));
        _threads = new Thread[workers - 1];
        _parked = new int[workers];
        _wake = [.. Enumerable.Range(0, workers).Select(_ => new SemaphoreSlim(0))];
        for (int i = 0; i < _threads.Length; i++)
        {
            int worker = i + 1;
            _threads[i] = new Thread(() => Loop(worker)) { IsBackground = true, Name = $"tessera-{worker}" };
            _threads[i].Start();
        }
    }

    /// <summary>Number of workers, the caller included.</summary>
    public int Count { get; }

    /// <summary>
    /// Calls <c>body(context, worker, workerCount)</c> once on every worker and waits for all of them.
    /// </summary>
    public void Run(delegate*<void*, int, int, void> body, void* context)
    {
        if (Count == 1)
        {
            body(context, 0, 1);
            return;
        }

        _body = body;
        _context = context;
        Volatile.Write(ref *_pending, Count - 1);
        Interlocked.Increment(ref *_generation);
        for (int worker = 1; worker < Count; worker++)
        {
            // The flag's owner is the one who clears it, so every permit has exactly one taker.
            if (Interlocked.Exchange(ref _parked[worker], 0) == 1)
            {
                _wake[worker].Release();
            }
        }

        body(context, 0, Count);
        var spinner = default(SpinWait);
        for (int spins = 0; Volatile.Read(ref *_pending) != 0; spins++)
        {
            Wait(spins, ref spinner);
        }
    }

    /// <summary>
    /// Inside a body: waits until all workers have come to meeting number <paramref name="meeting"/>, counted from 1. All must
    /// come equally often.
    /// </summary>
    /// <param name="arrived">
    /// Zero when the body starts, on a line that is otherwise not written: arrivals so far, all meetings counted together. A
    /// count that only grows needs no resetting and no pool, which a body that sees raw memory only cannot reach.
    /// </param>
    /// <param name="workers">Workers that run the body.</param>
    /// <param name="meeting">Number of the meeting.</param>
    public static void Meet(int* arrived, int workers, int meeting)
    {
        if (workers > 1 && Interlocked.Increment(ref *arrived) < meeting * workers)
        {
            var spinner = default(SpinWait);
            for (int spins = 0; Volatile.Read(ref *arrived) < meeting * workers; spins++)
            {
                Wait(spins, ref spinner);
            }
        }
    }

    /// <summary>The contiguous share [start, end) of <paramref name="count"/> items for a worker, in units of <paramref name="grain"/>.</summary>
    public static (int Start, int End) Share(int count, int worker, int workers, int grain = 1)
    {
        int units = (int)(((long)count + grain - 1) / grain);
        long start = (long)units * worker / workers * grain;
        long end = (long)units * (worker + 1) / workers * grain;
        return ((int)Math.Min(start, count), (int)Math.Min(end, count));
    }

    /// <inheritdoc cref="Share(int,int,int,int)" />
    public static (long Start, long End) Share(long count, int worker, int workers, int grain = 1)
    {
        long units = (count + grain - 1) / grain;
        long start = units * worker / workers * grain;
        long end = units * (worker + 1) / workers * grain;
        return (Math.Min(start, count), Math.Min(end, count));
    }

    /// <inheritdoc />
    public void Dispose()
    {
        if (_stop)
        {
            return;
        }

        _stop = true;
        Interlocked.Increment(ref *_generation);
        for (int worker = 1; worker < Count; worker++)
        {
            _wake[worker].Release();
            _threads[worker - 1].Join();
        }

        Array.ForEach(_wake, semaphore => semaphore.Dispose());
        NativeMemory.AlignedFree(_words);
    }

    private void Loop(int worker)
    {
        int seen = 0;
        while (true)
        {
            // A permit may come late, for a call that this worker has already answered: only a new generation ends the wait.
            while (Volatile.Read(ref *_generation) == seen)
            {
                for (int spins = 0; Volatile.Read(ref *_generation) == seen && spins < SpinsBeforeParking; spins++)
                {
                    Pause(spins);
                }

                if (Volatile.Read(ref *_generation) == seen)
                {
                    Park(worker, seen);
                }
            }

            if (_stop)
            {
                return;
            }

            seen++;
            _body(_context, worker, Count);
            Interlocked.Decrement(ref *_pending);
        }
    }

    /// <summary>One look of a wait that may not sleep: the other side is about to come.</summary>
    private static void Wait(int spins, ref SpinWait spinner)
    {
        if (spins < SpinsBeforeParking)
        {
            Pause(spins);
        }
        else
        {
            spinner.SpinOnce(-1);
        }
    }

    private static void Pause(int spins)
    {
        if (spins >= ReadsBeforePausing)
        {
            Thread.SpinWait(1);
        }
    }

    private void Park(int worker, int seen)
    {
        // Announce first, look again, then sleep: a generation started between the two is not missed. Whoever clears
        // the flag decides: this worker (no permit was sent) or the caller of Run (a permit is on its way).
        Interlocked.Exchange(ref _parked[worker], 1);
        if (Volatile.Read(ref *_generation) == seen || Interlocked.Exchange(ref _parked[worker], 0) == 0)
        {
            _wake[worker].Wait();
        }
    }
}

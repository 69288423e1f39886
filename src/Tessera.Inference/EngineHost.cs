using System.Runtime.CompilerServices;
using System.Threading.Channels;

namespace Tessera.Inference;

/// <summary>
/// One thread that owns an engine: takes requests and cancellations from any thread, steps while there is work, sleeps while
/// there is none.
/// </summary>
/// <remarks>
/// When a step throws, every request ends with <see cref="EngineFailedException"/> and further ones are refused: the state of
/// the cache is then unknown. Disposal cancels what runs and disposes of the engine.
/// </remarks>
public sealed class EngineHost : ITokenEngine, IDisposable
{
    private readonly BatchEngine _engine;
    private readonly Channel<Command> _commands = Channel.CreateUnbounded<Command>(new() { SingleReader = true });
    private readonly Dictionary<long, Request> _active = [];
    private readonly Thread _thread;
    private readonly int _mostRequests;
    private int _requests;
    private EngineState _state;
    private volatile Exception? _failure;

    /// <summary>Starts the thread.</summary>
    /// <param name="engine">The engine; owned from now on.</param>
    /// <param name="mostRequests">Requests that may run and wait at one time; further ones are refused.</param>
    public EngineHost(BatchEngine engine, int mostRequests = 1024)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(mostRequests, 1);
        _engine = engine;
        _mostRequests = mostRequests;
        _state = engine.State;
        _thread = new Thread(Run) { Name = "engine", IsBackground = true };
        _thread.Start();
    }

    /// <inheritdoc />
    public Exception? Failure => _failure;

    /// <inheritdoc />
    public int Capacity => _engine.Capacity;

    /// <summary>What the engine did and has, as of its last step.</summary>
    public EngineState State
    {
        get
        {
            lock (_active)
            {
                return _state;
            }
        }
    }

    /// <summary>Requests that run or wait.</summary>
    public int Requests => Volatile.Read(ref _requests);

    /// <inheritdoc />
    public async IAsyncEnumerable<TokenEvent> GenerateAsync(
        int[] prompt, GenerationSettings settings, SequenceGuide? guide, [EnumeratorCancellation] CancellationToken cancellation)
    {
        cancellation.ThrowIfCancellationRequested();
        var request = new Request(prompt, settings, guide);
        Admit(request);

        // By the token itself too: its reader may be busy elsewhere, writing to a client that is gone.
        await using var registration = cancellation.Register(() => Cancel(request));
        try
        {
            await foreach (var token in request.Events.Reader.ReadAllAsync(cancellation))
            {
                yield return token;
            }
        }
        finally
        {
            // Also reached when the reader stops early; cancelling what has ended does nothing.
            Cancel(request);
        }
    }

    /// <summary>Cancels everything, ends the thread and disposes of the engine.</summary>
    public void Dispose()
    {
        if (_commands.Writer.TryComplete())
        {
            _thread.Join();
        }
    }

    private void Cancel(Request request) => _commands.Writer.TryWrite(new Command(request, Cancels: true));

    private void Admit(Request request)
    {
        if (_failure is { } failure)
        {
            throw new EngineFailedException(failure);
        }

        if (Interlocked.Increment(ref _requests) > _mostRequests)
        {
            Interlocked.Decrement(ref _requests);
            throw new EngineBusyException($"{_mostRequests} requests are under way, which is the most this engine takes; try again later");
        }

        if (!_commands.Writer.TryWrite(new Command(request, Cancels: false)))
        {
            Interlocked.Decrement(ref _requests);
            ObjectDisposedException.ThrowIf(_failure is null, this);
            throw new EngineFailedException(_failure!);
        }
    }

    private void Run()
    {
        try
        {
            while (TakeCommands())
            {
                Dispatch(_engine.Step());
            }
        }
        catch (Exception error)
        {
            _failure = error;
            _commands.Writer.TryComplete();
        }

        EndAll();
        _engine.Dispose();
    }

    /// <summary>Takes all commands that are there; sleeps while there is nothing to do. False at the end.</summary>
    private bool TakeCommands()
    {
        while (true)
        {
            while (_commands.Reader.TryRead(out var command))
            {
                Take(command);
            }

            Publish();
            if (_commands.Reader.Completion.IsCompleted)
            {
                return false;
            }

            if (_engine.HasWork)
            {
                return true;
            }

            if (!_commands.Reader.WaitToReadAsync().AsTask().GetAwaiter().GetResult())
            {
                return false;
            }
        }
    }

    private void Take(Command command)
    {
        var request = command.Request;
        if (!command.Cancels)
        {
            try
            {
                request.Id = _engine.Submit(request.Prompt, request.Settings, request.Guide);
                _active.Add(request.Id, request);
            }
            catch (ArgumentException error)
            {
                End(request, error);
            }
        }
        else if (_active.Remove(request.Id))
        {
            _engine.Cancel(request.Id);
            End(request, null);
        }
    }

    private void Dispatch(IReadOnlyList<TokenEvent> events)
    {
        foreach (var token in events)
        {
            // What is no longer active was cancelled by its reader, who is told nothing more.
            if (_active.TryGetValue(token.Request, out var request))
            {
                request.Events.Writer.TryWrite(token);
                if (token.Finish is not null)
                {
                    _active.Remove(token.Request);
                    End(request, null);
                }
            }
        }
    }

    private void End(Request request, Exception? error)
    {
        if (request.Events.Writer.TryComplete(error))
        {
            Interlocked.Decrement(ref _requests);
        }
    }

    private void EndAll()
    {
        Exception error = _failure is { } failure
            ? new EngineFailedException(failure)
            : new OperationCanceledException("the engine was stopped");
        while (_commands.Reader.TryRead(out var command))
        {
            End(command.Request, error);
        }

        foreach (var request in _active.Values)
        {
            End(request, error);
        }

        _active.Clear();
    }

    private void Publish()
    {
        var state = _engine.State;
        lock (_active)
        {
            _state = state;
        }
    }

    private readonly record struct Command(Request Request, bool Cancels);

    private sealed class Request(int[] prompt, GenerationSettings settings, SequenceGuide? guide)
    {
        public int[] Prompt => prompt;

        public GenerationSettings Settings => settings;

        public SequenceGuide? Guide => guide;

        public long Id { get; set; } = -1;

        public Channel<TokenEvent> Events { get; } =
            Channel.CreateUnbounded<TokenEvent>(new() { SingleReader = true, SingleWriter = true });
    }
}

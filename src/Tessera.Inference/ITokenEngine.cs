namespace Tessera.Inference;

/// <summary>Where chat and HTTP get tokens from: an engine that any thread may ask.</summary>
public interface ITokenEngine
{
    /// <summary>The failure that ended the engine, or null while it works.</summary>
    Exception? Failure { get; }

    /// <summary>Most positions of a sequence, prompt and new tokens together.</summary>
    int Capacity { get; }

    /// <summary>Continues a prompt; the last event has a reason.</summary>
    /// <param name="prompt">Token ids; may not be empty.</param>
    /// <param name="settings">How to choose and when to stop.</param>
    /// <param name="guide">Watches the sequence on the engine's own thread; null for none.</param>
    /// <param name="cancellation">Ends the request at once; its memory is free again before the engine's next step.</param>
    /// <exception cref="EngineBusyException">Too many requests wait.</exception>
    /// <exception cref="EngineFailedException">The engine has failed.</exception>
    /// <exception cref="ArgumentException">The prompt or a setting cannot be used.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    IAsyncEnumerable<TokenEvent> GenerateAsync(
        int[] prompt, GenerationSettings settings, SequenceGuide? guide, CancellationToken cancellation);
}

/// <summary>More requests are under way than an engine takes.</summary>
/// <param name="message">How many, and what to do.</param>
public sealed class EngineBusyException(string message) : Exception(message);

/// <summary>The engine failed; every request that it had ends with this.</summary>
/// <param name="cause">What went wrong.</param>
public sealed class EngineFailedException(Exception cause)
    : Exception($"the engine has failed: {cause.Message}", cause);

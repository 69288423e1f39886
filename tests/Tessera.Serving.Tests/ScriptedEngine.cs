using System.Runtime.CompilerServices;
using Tessera.Inference;
using Tessera.Inference.Chat;
using Tessera.Models.Tokenizers;

namespace Tessera.Serving.Tests;

/// <summary>An engine that says what it was told to say, one token after the other.</summary>
/// <param name="tokenizer">Of the script.</param>
/// <param name="script">Text of the reply to a prompt; may throw.</param>
/// <param name="delay">Between two tokens, at first.</param>
internal sealed class ScriptedEngine(Tokenizer tokenizer, Func<string, string> script, TimeSpan delay) : ITokenEngine
{
    private int _cancelled;

    public Exception? Failure { get; set; }

    /// <summary>Between two tokens.</summary>
    public TimeSpan Delay { get; set; } = delay;

    public int Capacity => 4096;

    /// <summary>Tokens after which the engine fails for good; null for never.</summary>
    public int? FailsAfter { get; set; }

    /// <summary>Requests that ended before their last token.</summary>
    public int Cancelled => Volatile.Read(ref _cancelled);

    /// <summary>A chat over such an engine with the bundled tokenizer.</summary>
    public static (ChatEngine Chat, ScriptedEngine Engine) Create(ServedModel model, Func<string, string> script, TimeSpan delay)
    {
        var engine = new ScriptedEngine(model.Engine.Model.Tokenizer, script, delay);
        return (new ChatEngine(model.Engine.Model with { Name = "scripted-1b" }, engine), engine);
    }

    public async IAsyncEnumerable<TokenEvent> GenerateAsync(
        int[] prompt, GenerationSettings settings, SequenceGuide? guide, [EnumeratorCancellation] CancellationToken cancellation)
    {
        if (Failure is not null)
        {
            throw new EngineFailedException(Failure);
        }

        int[] ids = [.. tokenizer.Encode(script(tokenizer.Decode(prompt, skipSpecialTokens: false)), addSpecialTokens: false), settings.StopIds[0]];
        bool isWhole = false;
        try
        {
            for (int i = 0; i < ids.Length; i++)
            {
                await Task.Delay(Delay, cancellation);
                bool isLast = i == ids.Length - 1;
                isWhole = isLast;
                yield return new TokenEvent(0, ids[i], -0.5f, [], isLast ? FinishReason.Stop : null);
                if (i + 1 == FailsAfter)
                {
                    Failure = new InvalidOperationException("out of luck");
                    throw new EngineFailedException(Failure);
                }
            }
        }
        finally
        {
            if (!isWhole)
            {
                Interlocked.Increment(ref _cancelled);
            }
        }
    }
}

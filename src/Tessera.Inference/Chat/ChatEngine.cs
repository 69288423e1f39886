using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using System.Threading.Channels;
using Tessera.Models.Templates;

namespace Tessera.Inference.Chat;

/// <summary>Chat over an engine: requests in, pieces of replies out. Safe for any number of threads.</summary>
/// <param name="model">Tokenizer, template and defaults.</param>
/// <param name="engine">Gives the tokens; not owned.</param>
public sealed class ChatEngine(ChatModel model, ITokenEngine engine)
{
    /// <summary>Most replies to one request.</summary>
    public const int MostChoices = 16;

    /// <summary>Tokenizer, template and defaults.</summary>
    public ChatModel Model => model;

    /// <summary>Gives the tokens.</summary>
    public ITokenEngine Engine => engine;

    /// <summary>Whether to think where a request does not say; null leaves it to the template.</summary>
    public bool? DefaultThinking { get; init; }

    /// <summary>Renders, encodes and checks a request.</summary>
    /// <exception cref="ArgumentException">Something in the request cannot be used; the message says what.</exception>
    /// <exception cref="TemplateException">The template refuses the messages.</exception>
    /// <exception cref="PromptTooLongException">The prompt leaves no room for a reply.</exception>
    public PreparedChat Prepare(ChatRequest request)
    {
        var (messages, variables) = ThinkingSwitch.Apply(
            model.Format.Template.Source, request.Messages, request.Variables, request.Thinking ?? DefaultThinking);
        string text = model.Format.Render(messages, new ChatRenderOptions { AddGenerationPrompt = true, Variables = variables });
        return Prepare(model.Tokenizer.Encode(text, addSpecialTokens: false, parseSpecial: true), request, splitsReasoning: true);
    }

    /// <summary>Checks a request whose prompt is given as ids; its messages are not looked at.</summary>
    /// <inheritdoc cref="Prepare(ChatRequest)" path="/exception" />
    public PreparedChat Prepare(int[] prompt, ChatRequest request, bool splitsReasoning)
    {
        int room = engine.Capacity - prompt.Length;
        if (prompt.Length == 0)
        {
            throw new ArgumentException("the prompt is empty");
        }

        if (room < 1)
        {
            throw new PromptTooLongException(prompt.Length, engine.Capacity);
        }

        if (request.Choices is < 1 or > MostChoices)
        {
            throw new ArgumentException($"the number of replies is {request.Choices}, expected 1 to {MostChoices}");
        }

        var settings = new GenerationSettings
        {
            MaxNewTokens = Math.Min(request.MaxTokens ?? room, room),
            Temperature = request.Temperature ?? model.Defaults.Temperature,
            TopP = request.TopP ?? model.Defaults.TopP,
            TopK = request.TopK ?? model.Defaults.TopK,
            Seed = request.Seed ?? BitConverter.ToUInt64(RandomNumberGenerator.GetBytes(sizeof(ulong))),
            StopIds = [.. (request.IgnoresEnd ? [] : model.StopIds).Concat(request.StopIds).Distinct()],
            TopLogProbs = request.TopLogProbs ?? 0,
        };
        settings.Validate();
        return new PreparedChat(
            prompt, settings, request.StopTexts, request.ThinkingBudget, request.TopLogProbs is not null, request.Choices,
            splitsReasoning);
    }

    /// <summary>Runs a request. Every choice ends with an update that has a reason.</summary>
    /// <inheritdoc cref="ITokenEngine.GenerateAsync" path="/exception" />
    public async IAsyncEnumerable<ChatUpdate> StreamAsync(
        PreparedChat chat, [EnumeratorCancellation] CancellationToken cancellation)
    {
        using var all = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        var updates = Channel.CreateUnbounded<ChatUpdate>(new() { SingleReader = true });
        var replies = Enumerable.Range(0, chat.Choices).Select(choice => ReplyAsync(chat, choice, updates.Writer, all.Token)).ToArray();
        var ended = CompleteAsync(replies, updates.Writer, all.CancelAsync);
        try
        {
            await foreach (var update in updates.Reader.ReadAllAsync(CancellationToken.None))
            {
                yield return update;
            }
        }
        finally
        {
            await all.CancelAsync();
            await ended;
        }
    }

    /// <summary>Closes the channel when every reply has ended; the first that fails ends the others.</summary>
    private static async Task CompleteAsync(Task[] replies, ChannelWriter<ChatUpdate> updates, Func<Task> endAll)
    {
        Exception? failure = null;
        await foreach (var reply in Task.WhenEach(replies))
        {
            if (!reply.IsCompletedSuccessfully)
            {
                failure ??= reply.Exception?.InnerException ?? new OperationCanceledException("the request was cancelled");
                await endAll();
            }
        }

        updates.Complete(failure);
    }

    private async Task ReplyAsync(PreparedChat chat, int choice, ChannelWriter<ChatUpdate> updates, CancellationToken cancellation)
    {
        var text = new ReplyText(model.Tokenizer, chat.Prompt, chat.StopTexts, chat.SplitsReasoning);
        var settings = choice == 0
            ? chat.Settings
            : chat.Settings with { Seed = GenerationSettings.SequenceSeed(chat.Settings.Seed, (ulong)choice) };
        int tokens = 0;
        await foreach (var token in engine.GenerateAsync(chat.Prompt, settings, Guide(chat), cancellation))
        {
            if (token.Finish == FinishReason.Cancelled)
            {
                throw new OperationCanceledException("the request was cancelled");
            }

            tokens++;
            bool isStopToken = token.Finish == FinishReason.Stop;
            var piece = isStopToken ? SplitText.None : text.Append(token.Token);
            if (token.Finish is not null)
            {
                var rest = text.End();
                piece = new SplitText(piece.Reasoning + rest.Reasoning, piece.Content + rest.Content);
            }

            await updates.WriteAsync(
                new ChatUpdate(
                    choice, piece, chat.ReportsLogProbs && !isStopToken ? [token] : [], token.Finish,
                    new ChatUsage(chat.Prompt.Length, tokens, text.ReasoningTokens)),
                CancellationToken.None);
        }
    }

    private SequenceGuide? Guide(PreparedChat chat)
    {
        var guides = new List<SequenceGuide>();
        if (chat.StopTexts.Count > 0)
        {
            guides.Add(new StopTexts(model.Tokenizer, chat.Prompt, chat.StopTexts, chat.SplitsReasoning));
        }

        if (chat.ThinkingBudget is { } budget)
        {
            guides.Add(new ThinkingBudget(model.Tokenizer, chat.Prompt, budget));
        }

        return guides.Count switch { 0 => null, 1 => guides[0], _ => new GuideChain(guides) };
    }
}

/// <summary>A prompt leaves no room for a reply.</summary>
/// <param name="tokens">Tokens of the prompt.</param>
/// <param name="capacity">Most positions of a sequence.</param>
public sealed class PromptTooLongException(int tokens, int capacity)
    : Exception($"the prompt has {tokens} tokens, which leaves no room for a reply in the {capacity} positions of this server");

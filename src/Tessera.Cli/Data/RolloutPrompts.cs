using Tessera.Evaluation.Problems;
using Tessera.Models.Templates;
using Tessera.Models.Tokenizers;
using Tessera.Tasks;

namespace Tessera.Cli.Data;

/// <summary>How <c>rl</c> asks: through the model's chat template, or, where it has none, with the plain text of problems.</summary>
internal sealed class RolloutPrompts(ModelSource model, Tokenizer tokenizer)
{
    private readonly ChatFormat? _format = model.LoadChatFormat();
    private readonly ProblemPrompts _plain = new(tokenizer, model.BeginIds(tokenizer), null);

    /// <summary>The modes that an option asks for.</summary>
    /// <param name="thinking">on, off or both; null for on with a template and off without.</param>
    /// <exception cref="ArgumentException">Reasoning is asked of a model without a template.</exception>
    public ThinkingMode[] Modes(string? thinking)
    {
        thinking ??= _format is not null ? "on" : "off";
        if (_format is null && thinking != "off")
        {
            throw new ArgumentException($"--thinking {thinking}: the model has no chat template to set the switch with; only off is possible");
        }

        return thinking switch
        {
            "on" => [ThinkingMode.On],
            "off" => [ThinkingMode.Off],
            _ => [ThinkingMode.On, ThinkingMode.Off],
        };
    }

    /// <summary>The tokens of a prompt up to where the model begins to write.</summary>
    public int[] Encode(Problem problem, ThinkingMode mode)
    {
        if (_format is null)
        {
            return _plain.Encode(problem, PromptMode.Plain);
        }

        // The date is fixed: a run that is resumed on another day asks the same.
        string text = _format.Render(
            ProblemPrompts.Messages(problem, mode), new ChatRenderOptions { AddGenerationPrompt = true, Now = DateTime.UnixEpoch });
        return tokenizer.Encode(text, addSpecialTokens: false);
    }
}

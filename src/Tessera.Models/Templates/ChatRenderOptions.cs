using System.Text.Json.Nodes;

namespace Tessera.Models.Templates;

/// <summary>What a conversation is rendered with besides its messages.</summary>
public sealed record ChatRenderOptions
{
    /// <summary>Whether the prompt ends with the beginning of the model's answer.</summary>
    public bool AddGenerationPrompt { get; init; }

    /// <summary>Tools in OpenAI's form; an empty list counts as none.</summary>
    public JsonArray? Tools { get; init; }

    /// <summary>Documents for templates that quote them.</summary>
    public JsonArray? Documents { get; init; }

    /// <summary>Further variables of the template (<c>chat_template_kwargs</c>), such as <c>enable_thinking</c>; they win over special tokens.</summary>
    public JsonObject? Variables { get; init; }

    /// <summary>What <c>strftime_now</c> sees; null for the local time.</summary>
    public DateTime? Now { get; init; }
}

namespace Tessera.Models.Configuration;

/// <summary>The dialect a configuration was read from; nothing but readers, writers and reports looks at it.</summary>
public enum ModelFamily
{
    /// <summary><c>LlamaForCausalLM</c>: every layer has the same attention and feed-forward.</summary>
    Llama = 0,

    /// <summary><c>DeciLMForCausalLM</c> (Nemotron-NAS): every layer has its own.</summary>
    DeciLm = 1,
}
